package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/paybridge/paybridge/adapters/config"
)

// openClinic lets the gateway serve the example clinic at an address: the app's events go there, and payers come back to it. The
// secret of the events is made anew at each start.
func openClinic(cfg *config.Config, dir, clinic string) error {
	key := make([]byte, 32)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	if err := os.WriteFile(clinicSecret(dir), []byte("whsec_"+base64.StdEncoding.EncodeToString(key)+"\n"), 0o600); err != nil {
		return err
	}
	var secret config.SecretRef
	if err := secret.UnmarshalText([]byte("file:" + clinicSecret(dir))); err != nil {
		return err
	}
	cfg.Apps[0].Webhook = config.Webhook{URL: clinic + "/events", PrepareURL: clinic + "/prepare", Secrets: []config.SecretRef{secret}, Version: 1}
	for i := range cfg.Entries {
		cfg.Entries[i].ReturnURLs = append(cfg.Entries[i].ReturnURLs, clinic+"/visits")
	}
	return nil
}

func clinicSecret(dir string) string { return filepath.Join(dir, "clinic.secret") }

// startClinic starts docs/examples/clinic, which the build puts beside this program. control is the simulated WeChat's control API,
// where the insurance bureau is as well.
func startClinic(ctx context.Context, stderr io.Writer, dir, listen, gateway, control string) (*companion, error) {
	secret, err := os.ReadFile(clinicSecret(dir))
	if err != nil {
		return nil, fmt.Errorf("read the clinic's secret: %w", err)
	}
	var ready struct {
		URL string `json:"url"`
	}
	return startCompanion(ctx, companionOptions{
		name: "the example clinic", path: "examples/clinic", stderr: stderr, ready: &ready,
		env: []string{
			"CLINIC_LISTEN=" + listen, "CLINIC_URL=http://" + reachable(listen), "CLINIC_GATEWAY=" + gateway, "CLINIC_KEY=" + devKey,
			"CLINIC_WEBHOOK_SECRET=" + strings.TrimSpace(string(secret)), "CLINIC_LIFELINE=stdin",
			"CLINIC_BUREAU=" + control + "/control/v1/bureau",
			"CLINIC_REDIRECT_ENTRY=insurance-redirect",
			"CLINIC_PATIENT=" + officialAccount.entry + "=" + officialAccount.openid + "," + miniProgram.entry + "=" + miniProgram.openid,
		},
	})
}

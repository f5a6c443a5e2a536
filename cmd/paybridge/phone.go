package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"

	"github.com/paybridge/paybridge/adapters/checkout/kits"
)

// The apps of configs/dev.yaml and of the simulator's built-in seed that the simulated phone opens, and what they are called.
const (
	devAppID     = "wxa000000000000001"
	devMiniAppID = "wxm000000000000001"
	devAppName   = "第一医院 First Hospital"
	// devInsuranceAppID is the simulated mini program of medical insurance 1.0, where payers are sent.
	devInsuranceAppID = "wxi0insurance00001"
)

// writePhone writes into dir what the simulated phone opens (wechatsim serve --phone), and returns the file: the clinic as an
// official account, and the client kit's mini program, which only its config.js makes the clinic's. What was there is replaced.
func writePhone(dir, gateway, clinic string) (string, error) {
	program := filepath.Join(dir, "miniprogram")
	if err := os.RemoveAll(program); err != nil {
		return "", err
	}
	if err := os.CopyFS(program, kits.MiniProgram()); err != nil {
		return "", fmt.Errorf("write the mini program: %w", err)
	}
	settings, err := json.MarshalIndent(map[string]any{
		"gateway": gateway, "home": clinic + "/", "result": gateway + "/checkout/orders/{number}/result",
		"returnOrigins": []string{gateway, clinic}, "insuranceAppIds": []string{devInsuranceAppID},
	}, "", "  ")
	if err != nil {
		return "", err
	}
	text := "// Written by paybridge dev at each start.\nmodule.exports = " + string(settings) + ";\n"
	if err := os.WriteFile(filepath.Join(program, "pages/paybridge/config.js"), []byte(text), 0o600); err != nil {
		return "", err
	}
	opens, err := json.MarshalIndent(map[string][]map[string]string{
		"sites":             {{"origin": gateway}, {"origin": clinic}},
		"official_accounts": {{"app_id": devAppID, "name": devAppName, "home": clinic + "/"}},
		"mini_programs":     {{"app_id": devMiniAppID, "name": devAppName, "dir": filepath.Base(program)}},
	}, "", "  ")
	if err != nil {
		return "", err
	}
	file := filepath.Join(dir, "phone.json")
	return file, os.WriteFile(file, append(opens, '\n'), 0o600)
}

package sim_test

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// TestStateSurvivesARestart: trades, refunds, numbers and undelivered callbacks go on where they were.
func TestStateSurvivesARestart(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	keep := sim.With(func(c *sim.Config) {
		c.KeysDir, c.StateFile = filepath.Join(dir, "keys"), filepath.Join(dir, "state.json")
	})
	url, got := inbox(t, func(n int) int {
		if n == 0 {
			return http.StatusServiceUnavailable
		}
		return http.StatusOK
	})

	first := stopped(t, keep)
	c := newClient(t, first, "1900000001")
	trade := c.paid("STATE00001", set("notify_url", url))
	drain(t, first)
	c.prepaid("STATE00002")
	c.must(http.MethodPost, refundPath, c.back("STATE00001", "R1", 10, set("notify_url", url)))
	c.close("STATE00003")
	if err := first.AddSubMerchant(partnerID, sim.SeedSubMerchant{MchID: "1900000103", AppIDs: []string{subApp}}); err != nil {
		t.Fatal(err)
	}
	p := newClient(t, first, partnerID)
	p.partnerPaid("STATE00004", "1900000103", p.inSubApp)
	if err := first.Close(); err != nil {
		t.Fatal(err)
	}
	<-got

	second := stopped(t, keep)
	again := newClient(t, second, "1900000001")
	if again.m.PrivateKeyPEM != c.m.PrivateKeyPEM || again.m.Serial != c.m.Serial || again.m.APIv3Key != c.m.APIv3Key {
		t.Error("the merchant's keys changed")
	}
	if kept, err := second.Trade(c.m.MchID, "STATE00001"); err != nil || kept.TransactionID != trade.TransactionID || kept.State != sim.Refunded {
		t.Errorf("the trade: %+v, %v", kept, err)
	}
	again.must(http.MethodPost, prepayPath, again.order("STATE00002", set("amount/total", 7))).wants(t, "other content", 400, "请求重入时")
	again.must(http.MethodPost, prepayPath, again.order("STATE00003")).wants(t, "a spent number", 400, "ORDER_CLOSED")
	p = newClient(t, second, partnerID)
	p.must(http.MethodGet, partnerNumberPath("STATE00004", "1900000103"), "").wants(t, "a later sub merchant's trade", 200, `"trade_state":"SUCCESS"`)
	advance(t, second, 15*time.Second)
	events := map[string]bool{}
	for range 2 {
		r := <-got
		if err := verifyFrom(second, r.header, r.body); err != nil {
			t.Error(err)
		}
		var e struct {
			Event string `json:"event_type"`
		}
		if err := json.Unmarshal(r.body, &e); err != nil {
			t.Fatal(err)
		}
		events[e.Event] = true
	}
	if !events["TRANSACTION.SUCCESS"] || !events["REFUND.SUCCESS"] {
		t.Errorf("after the restart came %v", events)
	}
	if l := second.Ledger(); len(l.Conflicts()) != 1 || len(l.Refunds) != 1 {
		t.Errorf("the ledger after the restart: %+v", l)
	}
}

// TestStateIsWrittenWhileItRuns, so that a kill loses little.
func TestStateIsWrittenWhileItRuns(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "state.json")
	s := stopped(t, sim.With(func(c *sim.Config) { c.StateFile = path }))
	newClient(t, s, "1900000001").prepaid("WRITTEN001")
	look := time.NewTicker(time.Millisecond)
	defer look.Stop()
	end := time.After(20 * time.Second)
	for written := false; !written; {
		select {
		case <-look.C:
			text, err := os.ReadFile(path)
			written = err == nil && bytes.Contains(text, []byte("WRITTEN001"))
		case <-end:
			t.Fatal("the state was never written")
		}
	}
	info, err := os.Stat(path)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the state file: %v, %v", info, err)
	}
}

// TestStateThatDoesNotFit is refused with the remedy.
func TestStateThatDoesNotFit(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	path := filepath.Join(dir, "state.json")
	start := func(change func(*sim.Config)) error {
		cfg := sim.Config{StateFile: path}
		change(&cfg)
		s, err := sim.Start(t.Context(), cfg)
		if err == nil {
			err = s.Close()
		}
		return err
	}
	for name, r := range map[string]struct {
		text   string
		remedy string
	}{
		"half a file":            {`{"trades":[`, "move it away"},
		"of a merchant not here": {`{"trades":[{"mchid":"1900000099","out_trade_no":"X"}]}`, "add it or move the file away"},
	} {
		if err := os.WriteFile(path, []byte(r.text), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := start(func(*sim.Config) {}); err == nil || !strings.Contains(err.Error(), r.remedy) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if err := start(func(c *sim.Config) { c.StateFile = filepath.Join(dir, "no", "state.json") }); err == nil {
		t.Error("a state file in no folder")
	}
}

// TestKeysFolder: what a merchant's operator finds, readable by the owner alone.
func TestKeysFolder(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "keys")
	s := stopped(t, sim.With(func(c *sim.Config) { c.KeysDir = dir }))
	m := s.Merchant("1900000001")
	for file, want := range map[string]string{
		"1900000001/apiclient_key.pem":  m.PrivateKeyPEM,
		"1900000001/apiclient_cert.pem": m.CertificatePEM,
		"1900000001/apiv3_key.txt":      m.APIv3Key,
		"1900000001/pub_key.pem":        s.PublicKeyPEM(),
	} {
		text, err := os.ReadFile(filepath.Join(dir, file))
		if err != nil || string(text) != want {
			t.Errorf("%s: %v", file, err)
		}
	}
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		info, err := d.Info()
		if err == nil && info.Mode().Perm() != 0o600 {
			t.Errorf("%s has the mode %s", path, info.Mode())
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	summary, err := os.ReadFile(filepath.Join(dir, "summary.json"))
	if err != nil || !bytes.Contains(summary, []byte(m.Serial)) || !bytes.Contains(summary, []byte(s.PublicKeyID())) {
		t.Errorf("summary.json: %s, %v", summary, err)
	}
	if bytes.Contains(summary, []byte(m.APIv3Key)) {
		t.Error("the summary holds a secret")
	}
}

// TestKeysFolderThatDoesNotFit is refused with the remedy.
func TestKeysFolderThatDoesNotFit(t *testing.T) {
	t.Parallel()
	for file, text := range map[string]string{"apiv3_key.txt": "short", "apiclient_key.pem": "no key", "apiclient_cert.pem": ""} {
		dir := t.TempDir()
		s, err := sim.Start(t.Context(), sim.Config{KeysDir: dir})
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, "1900000001", file)
		if text == "" {
			err = os.Remove(path)
		} else {
			err = os.WriteFile(path, []byte(text), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if s, err := sim.Start(t.Context(), sim.Config{KeysDir: dir}); err == nil || !strings.Contains(err.Error(), "delete the folder") {
			t.Errorf("%s: %v, %v", file, s, err)
		}
	}
}

// TestSeeds that would mislead are refused, naming what is wrong.
func TestSeeds(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		`{}`:                            "no merchant",
		`{"merchant":[]}`:               "unknown field",
		`{"merchants":[{"mchid":"1"}]}`: "not 8 to 10 digits",
		`{"merchants":[{"mchid":"1900000001","app_ids":["wx1"]}]}`:                                                                        "under apps",
		`{"merchants":[{"mchid":"1900000001","keys":"both"}]}`:                                                                            "none of",
		`{"merchants":[{"mchid":"1900000001","sub_merchants":[{"sub_mchid":"1"}]}]}`:                                                      "sub_mchid",
		`{"merchants":[{"mchid":"1900000001","sub_merchants":[{"sub_mchid":"1900000002","sub_app_ids":["wx1"]}]}]}`:                       "under apps",
		`{"merchants":[{"mchid":"1900000001","sub_merchants":[{"sub_mchid":"1900000002"},{"sub_mchid":"1900000002"}]}]}`:                  "twice",
		`{"merchants":[{"mchid":"1900000001"},{"mchid":"1900000001"}]}`:                                                                   "twice",
		`{"merchants":[{"mchid":"1900000001"}],"apps":[{"app_id":"a"},{"app_id":"a"}]}`:                                                   "twice",
		`{"merchants":[{"mchid":"1900000001"}],"apps":[{"app_id":"a","users":[{"openid":"o"}]},{"app_id":"b","users":[{"openid":"o"}]}]}`: "already used in app a",
		`{"merchants":[{"mchid":"1900000001"}]} {}`:                                                                                       "more after",
	} {
		if _, err := sim.ParseSeed([]byte(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: %v, want %q", text, err, says)
		}
	}
	text, err := json.Marshal(sim.DefaultSeed())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sim.ParseSeed(text); err != nil {
		t.Errorf("the built-in seed: %v", err)
	}
}

// TestTheCallersClock: with a clock of the test's own, the test moves it and says so.
func TestTheCallersClock(t *testing.T) {
	t.Parallel()
	now := make(chan time.Time, 1)
	now <- time.Date(2030, 1, 2, 3, 4, 5, 0, time.UTC)
	read := func() time.Time { t := <-now; now <- t; return t }
	s := sim.New(t, sim.With(func(c *sim.Config) { c.Now = read }))
	c := newClient(t, s, "1900000001")
	c.prepaid("FOREIGN001", set("time_expire", "2030-01-02T11:14:05+08:00"))
	if trade, _ := s.Trade(c.m.MchID, "FOREIGN001"); !trade.ExpiresAt.Equal(read().Add(10 * time.Minute)) {
		t.Errorf("expires at %s", trade.ExpiresAt)
	}
	c.paid("FOREIGN002")
	c.must(http.MethodPost, refundPath, c.back("FOREIGN002", "R1", 10))
	now <- (<-now).Add(time.Hour)
	drain(t, s)
	c.must(http.MethodGet, refundPath+"/R1", "").wants(t, "after the clock was moved", 200, `"status":"SUCCESS","success_time":"2030-01-02T11:04:07+08:00"`)
	_, err := s.Pay(sim.Pay{OutTradeNo: "FOREIGN001"})
	refusedFor(t, err, sim.ReasonExpired)
	for name, err := range map[string]error{"Advance": s.Advance(1), "SetTime": s.SetTime(read()), "SetSpeed": s.SetSpeed(2)} {
		if err == nil {
			t.Errorf("%s moved a clock that is not ours", name)
		}
	}
}

// TestRequestsAreBounded: old ones are dropped, the counting and the numbers are not.
func TestRequestsAreBounded(t *testing.T) {
	t.Parallel()
	s := stopped(t, sim.With(func(c *sim.Config) { c.KeepRequests = 3 }))
	c := newClient(t, s, "1900000001")
	for range 20 {
		c.prepaid("BOUNDED001")
	}
	all := s.Requests()
	if len(all) != 3 || all[2].Seq != 20 || all[0].Seq != 18 {
		t.Errorf("kept %d requests: %+v", len(all), all)
	}
	if sent := s.Ledger().Sent; len(sent) != 1 || sent[0].Times != 20 {
		t.Errorf("sent: %+v", sent)
	}
}

// TestSpeeds that make no sense are refused at the start.
func TestSpeeds(t *testing.T) {
	t.Parallel()
	for _, speed := range []float64{-1, 1e9} {
		if s, err := sim.Start(t.Context(), sim.Config{Speed: speed}); err == nil {
			t.Errorf("speed %v: %v", speed, s.Close())
		}
	}
}

// TestSpeed: at a thousand times the machine's clock a refund of two seconds is over at once, with nobody moving it.
func TestSpeed(t *testing.T) {
	t.Parallel()
	s := sim.New(t, sim.With(func(c *sim.Config) { c.Speed = 1000 }))
	url, got := inbox(t, always(http.StatusOK))
	c := newClient(t, s, "1900000001")
	c.paid("SPEED00001")
	c.must(http.MethodPost, refundPath, c.back("SPEED00001", "R1", 10, set("notify_url", url)))
	<-got
}

// TestNoSecretsAreLogged by a simulator that logs everything.
func TestNoSecretsAreLogged(t *testing.T) {
	t.Parallel()
	var log syncBuffer
	s := stopped(t, sim.With(func(c *sim.Config) {
		c.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	}))
	c := newClient(t, s, "1900000001")
	c.paid("LOGGED0001")
	drain(t, s)
	if text := log.String(); text == "" || strings.Contains(text, c.m.APIv3Key) || strings.Contains(text, "oA1-") {
		t.Errorf("logged: %s", text)
	}
}

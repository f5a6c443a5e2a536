package e2e

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestTheClinic runs docs/examples/clinic: a payer buys there, pays on the checkout, and the clinic learns it from an event.
func TestTheClinic(t *testing.T) {
	whole(t)
	w := newWorld(t, sqlite(t))
	w.setup.Entries[0].Secret = "file:wechat/apps/" + appID + "/secret.txt"
	app := w.receive(0) // its address and secrets; the clinic itself listens there
	w.setup.Entries[0].ReturnURLs = []string{"http://" + app.address + "/visits"}
	w.start()

	program := filepath.Join(t.TempDir(), "clinic")
	build := exec.CommandContext(t.Context(), "go", "build", "-o", program, "../../docs/examples/clinic")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	clinic := exec.CommandContext(t.Context(), program)
	clinic.Env = []string{"CLINIC_LISTEN=" + app.address, "CLINIC_GATEWAY=" + w.base, "CLINIC_KEY=" + apiKey, "CLINIC_WEBHOOK_SECRET=" + app.secrets[0]}
	said := &output{}
	clinic.Stdout, clinic.Stderr = said, said
	if err := clinic.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = clinic.Process.Kill()
		_ = clinic.Wait()
		if t.Failed() {
			t.Logf("the clinic said:\n%s", said)
		}
	})
	base := "http://" + app.address
	await(t, "the clinic is open", func() error {
		resp, err := http.Get(base + "/")
		if err == nil {
			_ = resp.Body.Close()
		}
		return err
	})

	p := w.phone()
	resp, err := p.client.Post(base+"/buy/0", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	to := resp.Header.Get("Location")
	for range 4 { // the link, WeChat, back, and the order
		status, next, page := p.open(to, "alice", "")
		if status == http.StatusOK {
			break
		} else if next == "" {
			t.Fatalf("%s: %d %s", to, status, page)
		}
		to = next
		if strings.HasPrefix(to, "/") {
			to = w.base + to
		}
	}
	order := strings.TrimPrefix(strings.Split(to, "?")[0], w.base+"/checkout/orders/")
	_, _, page := p.open(w.base+"/checkout/orders/"+order, "", "")
	reference := page[strings.Index(page, "/visits/")+len("/visits/"):]
	reference = reference[:strings.Index(reference, `"`)]
	state := func() string {
		resp, err := http.Get(base + "/visits/" + reference)
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = resp.Body.Close() }()
		text, _ := io.ReadAll(resp.Body)
		return string(text)
	}
	if s := state(); !strings.Contains(s, ">open<") {
		t.Fatalf("before it is paid: %s", s)
	}
	// A message that nobody signed changes nothing.
	forged := fmt.Sprintf(`{"type":"order.paid","data":{"order":{"reference":%q,"state":"paid"}}}`, reference)
	if resp, err = http.Post(base+"/events", "application/json", strings.NewReader(forged)); err != nil {
		t.Fatal(err)
	}
	_ = resp.Body.Close()
	if s := state(); resp.StatusCode != http.StatusUnauthorized || strings.Contains(s, ">paid<") {
		t.Fatalf("a forged event: %d, %s", resp.StatusCode, s)
	}
	w.tap(w.pay(order).Number)
	await(t, "the clinic knows that it is paid", func() error {
		if !strings.Contains(state(), ">paid<") {
			return errors.New(state())
		}
		return nil
	})
}

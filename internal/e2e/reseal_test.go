package e2e

import (
	"encoding/base64"
	"path/filepath"
	"strings"
	"testing"
)

// The key of encryption at rest changes, and the old one can go: what it encrypted can still be read.
func TestSecretsReseal(t *testing.T) {
	eachDatabase(t, func(t *testing.T, db database) {
		w := newWorld(t, db)
		g := w.start()
		order, payment := w.paid("visit-1", 100)
		w.wantCount(0, "select count(*) from inbox where body not like 'e2e:%' or facts not like 'e2e:%'")

		writeFile(t, filepath.Join(w.dir, "next.key"), base64.StdEncoding.EncodeToString([]byte(strings.Repeat("n", 32))))
		old, next := map[string]string{"id": "e2e", "ref": "file:secret.key"}, map[string]string{"id": "next", "ref": "file:next.key"}
		w.setup.Secrets["keys"] = []map[string]string{next, old}
		if db.driver == "sqlite" {
			if code, said := w.paybridge("secrets", "reseal"); code != 1 || !strings.Contains(said, "one gateway at a time") {
				t.Errorf("while SQLite's gateway runs: code %d\n%s", code, said)
			}
			g.stop()
		}
		reseal := func(want string) {
			t.Helper()
			if code, said := w.paybridge("secrets", "reseal"); code != 0 || !strings.Contains(said, want) {
				t.Errorf("code %d, want %q:\n%s", code, want, said)
			}
		}
		reseal("2 values were with an older one, which can go.")
		reseal("Everything is encrypted with key next; 0 values were with an older one")
		w.wantCount(0, "select count(*) from inbox where body not like 'next:%' or facts not like 'next:%'")

		w.restart(func(s *setup) { s.Secrets["keys"] = []map[string]string{next} })
		w.awaitState("/v1/orders/"+order, "paid")
		w.awaitState("/v1/refunds/"+w.refund(payment, "r1", 40), "succeeded")
	})
}

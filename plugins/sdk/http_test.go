package sdk_test

import (
	"net"
	"net/http"
	"testing"

	"github.com/paybridge/paybridge/plugins/sdk"
)

func TestUnanswered(t *testing.T) {
	t.Parallel()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			conn.Close()
		}
	}()
	free, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	closed := "http://" + free.Addr().String()
	free.Close()
	for _, row := range []struct {
		name, url string
		want      sdk.Verdict
	}{
		{"the connection broke: it may have happened", "http://" + listener.Addr().String(), sdk.VerdictIndeterminate},
		{"nobody listens: it was not sent", closed, sdk.VerdictNotSent},
		{"no such host: it was not sent", "http://no-such-host.invalid", sdk.VerdictNotSent},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			res, err := http.Post(row.url, "text/plain", nil)
			if err == nil {
				res.Body.Close()
				t.Fatal("answered")
			}
			if got := sdk.Unanswered(err).Verdict; got != row.want {
				t.Errorf("verdict %d, want %d, of %v", got, row.want, err)
			}
		})
	}
}

package httpapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/paybridge/paybridge/core/gateway"
	"github.com/paybridge/paybridge/core/pay"
	"github.com/paybridge/paybridge/ports"
)

func TestWhatAnErrorMeans(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		err        error
		code       string
		status     int
		retryAfter time.Duration
	}{
		{&gateway.Invalid{Field: "amount", Detail: "whole fen"}, "invalid_request", 400, 0},
		{invalid{{Field: "amount", Detail: "is required"}}, "invalid_request", 400, 0},
		{&fault{"body_too_large", "x"}, "body_too_large", 413, 0},
		{ports.ErrNotFound, "not_found", 404, 0},
		{fmt.Errorf("read order 1: %w", ports.ErrNotFound), "not_found", 404, 0},
		{&gateway.Unavailable{Detail: "away", RetryAfter: time.Minute}, "unavailable", 503, time.Minute},
		{&gateway.Unavailable{Detail: "away"}, "unavailable", 503, time.Second},
		{fmt.Errorf("route: %w", ports.ErrUnavailable), "unavailable", 503, 5 * time.Second},
		{fmt.Errorf("payment 1: %w", ports.ErrClaimed), "unavailable", 503, time.Second},
		{ports.ErrMoved, "unavailable", 503, time.Second},
		{ports.ErrCommitUnknown, "unavailable", 503, time.Second},
		{context.DeadlineExceeded, "unavailable", 503, time.Second},
		{&pay.Refusal{Code: pay.CodePreviousUnresolved, Detail: "x", RetryAfter: 5 * time.Second}, pay.CodePreviousUnresolved, 409, 5 * time.Second},
		{&pay.Refusal{Code: "made_up", Detail: "a code that no table has is a bug, not an answer"}, "internal", 500, 0},
		{errors.New("password is hunter2"), "internal", 500, 0},
	} {
		t.Run(row.err.Error(), func(t *testing.T) {
			t.Parallel()
			p, retryAfter := problemOf(row.err)
			if string(p.Code) != row.code || p.Status != row.status || retryAfter != row.retryAfter || p.Title == "" || p.Detail == "" {
				t.Errorf("%+v, retry after %s", p, retryAfter)
			}
			if row.code == "internal" && p.Detail == row.err.Error() {
				t.Error("the cause of a fault of ours is told to the caller")
			}
		})
	}
}

// TestProblemDocuments sends every code there is and holds it against openapi.yaml.
func TestProblemDocuments(t *testing.T) {
	t.Parallel()
	schema := document(t).Components.Schemas["Problem"].Value
	for code, want := range problems {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			var p Problem
			switch code {
			case "internal", "unavailable", "not_found", "invalid_request":
				p, _ = problemOf(&fault{code, "x"})
			default:
				if p, _ = problemOf(&pay.Refusal{Code: code, Detail: "x"}); p.Status != want.status {
					t.Fatalf("status %d", p.Status)
				}
			}
			w := httptest.NewRecorder()
			write(w, "request-1", p, 1500*time.Millisecond)
			var body any
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil {
				t.Fatal(err)
			}
			if err := schema.VisitJSON(body); err != nil {
				t.Error(err)
			}
			fields := body.(map[string]any)
			if w.Code != want.status || fields["type"] != "urn:paybridge:problem:"+code || fields["instance"] != "urn:paybridge:request:request-1" ||
				w.Header().Get("Content-Type") != "application/problem+json" || w.Header().Get("Retry-After") != "2" {
				t.Errorf("status %d, %v, %v", w.Code, w.Header(), fields)
			}
			if challenge := w.Header().Get("WWW-Authenticate"); (challenge != "") != (want.status == 401) {
				t.Errorf("challenge %q with status %d", challenge, want.status)
			}
		})
	}
}

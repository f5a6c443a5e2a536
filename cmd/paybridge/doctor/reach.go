package doctor

import (
	"context"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/paybridge/paybridge/ports"
)

// reachTime is how long an answer of our own may take to come around.
const reachTime = 5 * time.Second

// notifyURL asks for /livez below the entry's notify base, from here: a name, certificate, proxy or path that is wrong
// shows in it. What keeps only the outside world away does not: that is the callback's to prove.
func (p Patient) notifyURL(ctx context.Context, e ports.Entry) Finding {
	subject := "entry " + e.Name
	if p.Production && !strings.HasPrefix(e.NotifyBase, "https://") {
		return failed(subject, CheckNotifyURL, "notify_base_not_https", e.NotifyBase)
	}
	ctx, cancel := context.WithTimeout(ctx, reachTime)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(e.NotifyBase, "/")+"/livez", nil)
	if err != nil {
		return failed(subject, CheckNotifyURL, "notify_base_wrong", e.NotifyBase+" is no address of the web")
	}
	answer, err := p.Client.Do(request)
	switch {
	case err != nil && p.Gateway == nil:
		return skipped(subject, CheckNotifyURL, "gateway_away", err.Error())
	case err != nil:
		return failed(subject, CheckNotifyURL, "notify_base_unreachable", err.Error())
	}
	defer func() { _ = answer.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 64))
	switch {
	case err == nil && answer.StatusCode == http.StatusOK && string(body) == "yes\n":
		return ok(subject, CheckNotifyURL, request.URL.String()+" is this gateway's")
	case p.Gateway == nil && answer.StatusCode >= http.StatusInternalServerError:
		return skipped(subject, CheckNotifyURL, "gateway_away", request.URL.String()+" answers "+answer.Status)
	}
	return failed(subject, CheckNotifyURL, "notify_base_elsewhere", request.URL.String()+" answers "+answer.Status+", and no gateway does so")
}

package simfixture

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"strings"

	"github.com/paybridge/paybridge/plugins/sdk/fixture"
	"github.com/paybridge/paybridge/plugins/wechat/sim"
)

// identify reads which call a request is, and the number that it is about.
func identify(r *http.Request, body []byte) (fixture.Call, string, bool) {
	var names struct {
		Trade  string `json:"out_trade_no"`
		Refund string `json:"out_refund_no"`
	}
	_ = json.Unmarshal(body, &names) // a query has no body
	at := r.URL.Path
	pay := strings.HasPrefix(at, "/v3/pay/")
	insured := strings.HasPrefix(at, "/v3/med-ins/orders")
	switch {
	case insured && r.Method == http.MethodPost:
		return fixture.Create, names.Trade, true
	case insured:
		return fixture.Query, path.Base(at), true
	case pay && strings.HasSuffix(at, "/close"):
		return fixture.Close, path.Base(path.Dir(at)), true
	case pay && r.Method == http.MethodPost:
		return fixture.Create, names.Trade, true
	case pay:
		return fixture.Query, path.Base(at), true
	case at == "/v3/refund/domestic/refunds":
		return fixture.RefundCall, names.Refund, true
	case strings.HasPrefix(at, "/v3/refund/domestic/refunds/") && r.Method == http.MethodGet:
		return fixture.QueryRefund, path.Base(at), true
	}
	return "", "", false
}

// paths tell the calls apart where the simulator signs a refusal.
var paths = map[fixture.Call]string{
	fixture.Create: "/transactions/jsapi", fixture.Query: "GET /v3/pay/", fixture.Close: "/close",
	fixture.RefundCall: "POST /v3/refund/", fixture.QueryRefund: "GET /v3/refund/",
}

type refusal struct {
	status int
	code   string
}

// refusals are WeChat's for each reason of the contract; what a call has not there, WeChat does not answer to it.
var refusals = map[string]map[fixture.Call]refusal{
	"INVALID_REQUEST": everywhere(refusal{http.StatusBadRequest, "PARAM_ERROR"}),
	"AUTH":            everywhere(refusal{http.StatusUnauthorized, "SIGN_ERROR"}),
	"DECLINED": {
		fixture.Create: {http.StatusForbidden, "RULE_LIMIT"}, fixture.RefundCall: {http.StatusForbidden, "USER_ACCOUNT_ABNORMAL"},
	},
	"NOT_FOUND": {
		fixture.Query: {http.StatusNotFound, "ORDER_NOT_EXIST"}, fixture.QueryRefund: {http.StatusNotFound, "RESOURCE_NOT_EXISTS"},
	},
	"CONFLICT": {fixture.Create: {http.StatusForbidden, "OUT_TRADE_NO_USED"}},
	"RATE_LIMITED": {
		fixture.Create: {http.StatusTooManyRequests, "FREQUENCY_LIMITED"}, fixture.Query: {http.StatusTooManyRequests, "RATELIMIT_EXCEED"},
	},
	"UNAVAILABLE": {fixture.RefundCall: {http.StatusForbidden, "NOT_ENOUGH"}},
}

func everywhere(r refusal) map[fixture.Call]refusal {
	all := map[fixture.Call]refusal{}
	for call := range paths {
		all[call] = r
	}
	return all
}

// Next spoils the next request. A refusal is signed by the simulator; the rest is done to its connection.
func (p *Provider) Next(_ context.Context, n fixture.Next) error {
	if n.Behaviour != fixture.Reject {
		return p.faults.Set(n)
	}
	r, ok := refusals[n.Reason][n.Call]
	at := paths[n.Call]
	if p.insured && n.Call == fixture.Query {
		at = "GET /v3/med-ins/"
		ok = ok && n.Reason != "NOT_FOUND" // then the trade of the cash is asked about, and is there
	}
	if !ok {
		return fmt.Errorf("%w: a refusal of %s for %s", fixture.ErrUnsupported, n.Call, n.Reason)
	}
	_, err := p.sim.AddFault(sim.Fault{
		Kind: sim.Refusal, Path: at, Number: n.Number, Count: 1, Status: r.status, Code: r.code, Message: "conformance",
	})
	return err
}

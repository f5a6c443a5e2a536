package wechat

import (
	"context"
	"net/http"

	"github.com/paybridge/paybridge/plugins/sdk"
)

// planChange is the body of both calls of the gold plan (点金计划管理).
type planChange struct {
	SubMchID string `json:"sub_mchid"`
	Type     string `json:"operation_type"`
}

// The paths and operation types of the gold plan. A receipt of ours (商家小票) is shown where both are open.
const (
	changePlan   = "/v3/goldplan/merchants/changegoldplanstatus"
	changeCustom = "/v3/goldplan/merchants/changecustompagestatus"
	planOpen     = "OPEN"
	planClose    = "CLOSE"
)

// SetReceiptPage chooses what a sub merchant's payers see after paying. Our own page is switched on before the plan is, so that no
// payer sees WeChat's in between; both calls may be repeated.
func (c *Client) SetReceiptPage(ctx context.Context, r sdk.ReceiptPage) sdk.Result {
	sub := r.Route.SubMchID
	if sub == "" {
		return sdk.Rejected(sdk.InvalidRequest, "", "not sent: the gold plan is for a partner's sub merchants; a direct merchant has none")
	}
	steps := map[sdk.ReceiptPageKind][][2]string{
		sdk.NoReceipt:       {{changePlan, planClose}},
		sdk.ProviderReceipt: {{changeCustom, planClose}, {changePlan, planOpen}},
		sdk.OwnReceipt:      {{changeCustom, planOpen}, {changePlan, planOpen}},
	}[r.Page]
	if steps == nil {
		return sdk.Rejected(sdk.InvalidRequest, "", "not sent: there is no such receipt page")
	}
	var a Answer
	for n, step := range steps {
		var err error
		a, err = c.do(ctx, request{op: OpGoldPlan, number: sub, method: http.MethodPost, path: step[0], body: planChange{sub, step[1]}}, nil)
		if err != nil && n == 0 {
			return Failed(a, err)
		} else if err != nil { // the first was taken: what is asked for is half done, whatever this one says
			result := Failed(a, err)
			result.Verdict = sdk.VerdictIndeterminate
			return result
		}
	}
	return Taken(a)
}

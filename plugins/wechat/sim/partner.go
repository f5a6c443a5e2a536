package sim

import (
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"slices"
)

// partnerPrepayFields is the body of POST /v3/pay/partner/transactions/jsapi.
var partnerPrepayFields = append([]field{
	{path: "sp_appid", label: "服务商应用ID", required: true, max: 32},
	{path: "sp_mchid", label: "服务商户号", required: true, max: 32},
	{path: "sub_appid", label: "子商户应用ID", max: 32},
	{path: "sub_mchid", label: labelSubMchID, required: true, max: 32},
	{path: "payer", label: "支付者", kind: object, required: true},
	{path: "payer/sp_openid", label: "用户服务标识", max: 128},
	{path: "payer/sub_openid", label: "用户子标识", max: 128},
}, tradeFields...)

var partnerCloseFields = []field{
	{path: "sp_mchid", label: "服务商户号", required: true, max: 32},
	{path: "sub_mchid", label: labelSubMchID, required: true, max: 32},
}

// labelSubMchID is what the captured error texts call a sub_mchid.
const labelSubMchID = "子商户号/二级商户号"

// partnerPrepay answers POST /v3/pay/partner/transactions/jsapi.
func (s *Simulator) partnerPrepay(c *call) answer {
	return s.openTrade(c, partnerPrepayFields, func(body content) (Parties, *answer) {
		p := Parties{
			MchID: body.text("sp_mchid"), AppID: body.text("sp_appid"), OpenID: body.text("payer/sp_openid"),
			SubMchID: body.text("sub_mchid"), SubAppID: body.text("sub_appid"), SubOpenID: body.text("payer/sub_openid"),
		}
		p.InSubApp = p.SubOpenID != ""
		switch {
		case p.OpenID == "" && p.SubOpenID == "":
			return p, missing("body", "payer/sp_openid", "用户服务标识")
		case p.InSubApp && p.SubAppID == "":
			return p, missing("body", "sub_appid", "子商户应用ID")
		}
		return p, nil
	})
}

// partnerQueryByNumber answers GET /v3/pay/partner/transactions/out-trade-no/{out_trade_no}?sp_mchid=&sub_mchid=.
func (s *Simulator) partnerQueryByNumber(c *call) answer {
	return s.queryNumber(c, (*Simulator).partnerQuery)
}

// partnerQueryByTransaction answers GET /v3/pay/partner/transactions/id/{transaction_id}?sp_mchid=&sub_mchid=.
func (s *Simulator) partnerQueryByTransaction(c *call) answer {
	return s.partnerQuery(c, func(w *world) *Trade { return w.byTxn[c.path["transaction_id"]] })
}

func (s *Simulator) partnerQuery(c *call, find func(*world) *Trade) answer {
	sp, sub := c.query.Get("sp_mchid"), c.query.Get("sub_mchid")
	switch {
	case sp == "":
		return *missing("query", "sp_mchid", "服务商户号")
	case sub == "":
		return *missing("query", "sub_mchid", labelSubMchID)
	case sp != c.merchant.MchID:
		return mchIDMismatch()
	}
	if bad := s.relation(c.merchant, sub); bad != nil {
		return *bad
	}
	return s.query(c, sub, find)
}

// partnerCloseTrade answers POST /v3/pay/partner/transactions/out-trade-no/{out_trade_no}/close.
func (s *Simulator) partnerCloseTrade(c *call) answer {
	return s.closeNumber(c, partnerCloseFields, func(body content) (mchID, subMchID string) {
		return body.text("sp_mchid"), body.text("sub_mchid")
	})
}

// relation checks that the sub merchant is the partner's.
func (s *Simulator) relation(m *merchant, subMchID string) *answer {
	s.mu.Lock()
	defer s.mu.Unlock()
	if m.sub(subMchID) == nil {
		bad := noRelation()
		return &bad
	}
	return nil
}

func noRelation() answer {
	return refuse(http.StatusForbidden, "NO_AUTH", "受理关系不存在", causeUnspecified)
}

// notDirect is what a partner hears that would take money itself.
func notDirect() answer {
	return refuse(http.StatusForbidden, "NO_AUTH", "商户号该产品权限未开通，请前往商户平台>产品中心检查后重试", causeUnspecified)
}

// partyMismatch checks a partner's trade: the partner's app, the relation, the sub merchant's app, and that each
// openid is of its own app. Who passed is then known by both openids, as WeChat shows them. s.mu is held.
func (w *world) partyMismatch(m *merchant, p *Parties) *answer {
	no := func(status int, code, message string, cause int) *answer {
		a := refuse(status, code, message, cause)
		return &a
	}
	sub := m.sub(p.SubMchID)
	switch {
	case sub == nil:
		a := noRelation()
		return &a
	case w.apps[p.AppID] == nil || !m.bound(p.AppID):
		return no(http.StatusBadRequest, "APPID_MCHID_NOT_MATCH", "sp_appid和sp_mchid不匹配，请检查后再试", causeUnspecified)
	case p.SubAppID != "" && !slices.Contains(sub.AppIDs, p.SubAppID):
		return no(http.StatusBadRequest, "APPID_MCHID_NOT_MATCH", "sub_mchid与sub_appid不匹配", causeUnspecified)
	case p.OpenID != "" && !w.apps[p.AppID].users[p.OpenID],
		p.SubOpenID != "" && !w.apps[p.SubAppID].users[p.SubOpenID]:
		return no(http.StatusBadRequest, "PARAM_ERROR", "appid和openid不匹配", causeParam)
	}
	if p.OpenID == "" {
		p.OpenID = w.samePerson(p.SubAppID, p.SubOpenID, p.AppID)
	}
	if p.SubAppID != "" && p.SubOpenID == "" {
		p.SubOpenID = w.samePerson(p.AppID, p.OpenID, p.SubAppID)
	}
	return nil
}

// samePerson is the openid in another app of whom one app knows by openID: the user of the same name there, or
// one who opens that app now. s.mu is held.
func (w *world) samePerson(appID, openID, otherApp string) string {
	name, other := "", w.apps[otherApp]
	for _, u := range w.apps[appID].Users {
		if u.OpenID == openID {
			name = u.Name
		}
	}
	for _, u := range other.Users {
		if name != "" && u.Name == name {
			return u.OpenID
		}
	}
	sum := sha256.Sum256([]byte(otherApp + "\n" + openID))
	made := "o" + base64.RawURLEncoding.EncodeToString(sum[:])[:27]
	if !other.users[made] {
		other.users[made] = true
		other.Users = append(other.Users, SeedUser{OpenID: made, Name: name})
	}
	return made
}

// AddSubMerchant puts a sub merchant below a partner while it runs, as when WeChat has approved it.
func (s *Simulator) AddSubMerchant(partner string, sub SeedSubMerchant) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	m := s.world.merchants[partner]
	switch {
	case m == nil:
		return fmt.Errorf("there is no merchant %s: add it to the seed", partner)
	case !m.partner():
		return fmt.Errorf("merchant %s is no partner: only a partner has sub merchants", partner)
	case !mchIDShape.MatchString(sub.MchID):
		return fmt.Errorf("the sub_mchid %q is not 8 to 10 digits", sub.MchID)
	case m.sub(sub.MchID) != nil:
		return fmt.Errorf("partner %s has the sub merchant %s already", partner, sub.MchID)
	}
	for _, id := range sub.AppIDs {
		if s.world.apps[id] == nil {
			return fmt.Errorf("there is no app %s: add it to the seed", id)
		}
	}
	m.SubMerchants = append(m.SubMerchants, sub)
	s.changed()
	return nil
}

package conformance

import (
	"encoding/json"
	"strings"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
	"github.com/paybridge/paybridge/plugins/sdk/fixture"
)

func configure(p *probe) {
	one := p.startBare()
	for _, a := range p.about.Accounts {
		p.configure(one, a, 1)
		p.configure(one, a, 1)
		p.configure(one, a, 3)
		if held := p.configured(one, p.configuration(a, 2)); held.GetGeneration() != 3 || len(held.GetErrors()) > 0 {
			p.wrong("Configure of account %s with generation 2 answers %v after it was given 3: the older one must be ignored, and the answer "+
				"be the generation in use", a.Name, held)
		}
		p.wrongConfiguration(one, a, "{}", "an empty configuration")
		p.wrongConfiguration(one, a, "[", "what is no JSON")
		p.spoiltSecrets(one, a)
		p.configure(one, a, 9)
	}
	for _, r := range p.about.Routes {
		p.created(one, p.payment(r))
	}
}

func (p *probe) configured(one *process, r *pb.ConfigureRequest) *pb.ConfigureResponse {
	a, err := one.provider.Configure(p.ctx, r)
	if err != nil {
		p.fatal("Configure of account %s: %v: a wrong configuration is told in errors, field by field", r.GetAccount(), err)
	}
	return a
}

// wrongConfiguration must be refused, and leave the one before in use.
func (p *probe) wrongConfiguration(one *process, a fixture.Account, config, what string) {
	r := p.configuration(a, 4)
	r.Config = []byte(config)
	answer := p.configured(one, r)
	if len(answer.GetErrors()) == 0 {
		p.fatal("Configure takes %s for account %s", what, a.Name)
	}
	for _, e := range answer.GetErrors() {
		if e.GetMessage() == "" || e.GetField() != "" && !strings.HasPrefix(e.GetField(), "/") {
			p.wrong("Configure refuses %s by field %q, %q: a field is a JSON Pointer, a message says what to do", what, e.GetField(), e.GetMessage())
		}
	}
	for _, route := range p.about.Routes {
		if route.Account == a.Name {
			p.created(one, p.payment(route))
			return
		}
	}
}

// spoiltSecrets puts a word in the place of each secret, which no answer may repeat. A plugin need not see that it is
// none: any text may be an HMAC's key.
func (p *probe) spoiltSecrets(one *process, a fixture.Account) {
	schema, err := compile(p.described(one).GetAccountSchema())
	if err != nil {
		p.fatal("account_schema is no JSON Schema: %v", err)
	}
	for i, s := range secretsOf(schema, a.Config) {
		const word = "Conformance-Secret-5b2f77"
		old, _ := json.Marshal(s.value) // a string marshals
		r := p.configuration(a, int64(5+i))
		r.Config = []byte(strings.Replace(string(r.GetConfig()), string(old), `"`+word+`"`, 1))
		answer := p.configured(one, r)
		if strings.Contains(answer.String(), word) {
			p.wrong("Configure repeats the secret at %s in its answer: name the field, never its value", s.where)
		}
		p.configure(one, a, int64(5+i)) // the good one again, whether or not that was taken
	}
}

func foreignMerchant(p *probe) {
	one := p.start()
	own := p.payment(p.about.Routes[0])
	for what, spoil := range map[string]func(*pb.Route){
		"another merchant's number":            func(r *pb.Route) { r.Mchid = "1999999999" },
		"an account that was never configured": func(r *pb.Route) { r.Account = "never-configured" },
	} {
		call := p.call(p.about.Routes[0])
		spoil(call.GetRoute())
		foreign := p.payment(p.about.Routes[0])
		foreign.Call = call
		create, err := one.provider.CreatePayment(p.ctx, foreign)
		p.foreign("CreatePayment", what, create.GetOutcome(), err)
		query, err := one.provider.QueryPayment(p.ctx, queryOf(foreign))
		p.foreign("QueryPayment", what, query.GetOutcome(), err)
		closing, err := one.provider.ClosePayment(p.ctx, closeOf(foreign))
		p.foreign("ClosePayment", what, closing.GetOutcome(), err)
		refund, err := one.provider.CreateRefund(p.ctx, p.refundOf(foreign, 1))
		p.foreign("CreateRefund", what, refund.GetOutcome(), err)

		own.Number = foreign.GetNumber()
		if p.ledger(own).Found {
			p.wrong("CreatePayment with %s made a trade for the account's own merchant", what)
		}
	}
}

func (p *probe) foreign(call, what string, o *pb.Outcome, err error) {
	sent := o.GetVerdict() != pb.Verdict_VERDICT_NOT_SENT && o.GetVerdict() != pb.Verdict_VERDICT_REJECTED
	if err != nil || sent || o.GetReason() != pb.Reason_REASON_AUTH {
		p.wrong("%s with %s answers %s: NOT_SENT with AUTH is right", call, what, p.told(o, err))
	}
}

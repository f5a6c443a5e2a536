package conformance

import (
	"bytes"
	"slices"
	"time"

	"google.golang.org/protobuf/types/known/timestamppb"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
	"github.com/paybridge/paybridge/plugins/sdk/fixture"
)

// noted makes the notification of a payment, or of one of its refunds, as the gateway would hand it to the plugin.
func (p *probe) noted(r *pb.CreatePaymentRequest, refund string, flaw fixture.Flaw) (*pb.ParseNotificationRequest, error) {
	route := r.GetCall().GetRoute()
	n, err := p.fixture.Notification(p.ctx, fixture.Wanted{Account: route.GetAccount(), Trade: p.trade(r), Refund: refund, Flaw: flaw})
	if err != nil {
		return nil, err
	}
	request := &pb.ParseNotificationRequest{
		Account: route.GetAccount(), Method: n.Method, Path: "/notify/" + route.GetProvider() + "/" + route.GetAccount(),
		Body: n.Body, ReceivedAt: timestamppb.Now(),
	}
	for _, h := range n.Headers {
		request.Headers = append(request.Headers, &pb.Header{Name: h[0], Value: []byte(h[1])})
	}
	return request, nil
}

func (p *probe) genuine(r *pb.CreatePaymentRequest, refund string) *pb.ParseNotificationRequest {
	n, err := p.noted(r, refund, fixture.Genuine)
	p.played("notification", err)
	return n
}

func (p *probe) parsed(one *process, n *pb.ParseNotificationRequest) *pb.ParseNotificationResponse {
	a, err := one.provider.ParseNotification(p.ctx, n)
	if err != nil {
		p.fatal("ParseNotification answers a gRPC error: %v: what is wrong with a notification is told in refused", err)
	}
	return a
}

// refused holds a notification against the causes for which it may be refused.
func (p *probe) refused(one *process, n *pb.ParseNotificationRequest, what string, causes ...pb.RefusedCause) {
	a := p.parsed(one, n)
	switch cause := a.GetRefused().GetCause(); {
	case a.GetRefused() == nil:
		p.wrong("%s was taken: %s is right", what, causeNames(causes))
	case !slices.Contains(causes, cause):
		p.wrong("%s was refused with %s: %s is right", what, causeName(cause), causeNames(causes))
	case bytes.Contains([]byte(a.GetRefused().GetDetail()), n.GetBody()) && len(n.GetBody()) > 0:
		p.wrong("the detail of a refusal holds the body: nothing of what was not verified may be kept")
	}
}

func causeName(c pb.RefusedCause) string {
	return word(pb.RefusedCause_name, int32(c), "REFUSED_CAUSE_")
}

func causeNames(causes []pb.RefusedCause) (names []string) {
	for _, c := range causes {
		names = append(names, causeName(c))
	}
	return names
}

// oversized is more than the gateway lets in, in bytes; it refuses such a body itself.
const oversized = 1<<20 + 1

func verifyBeforeParse(p *probe) {
	const signature, unknown = pb.RefusedCause_REFUSED_CAUSE_SIGNATURE, pb.RefusedCause_REFUSED_CAUSE_UNKNOWN_SERIAL
	one := p.start()
	paid := p.paid(one, p.about.Routes[0])
	for flaw, what := range map[fixture.Flaw]string{
		fixture.Tampered: "a notification that says something else than was signed", fixture.OtherKey: "a notification signed by a stranger",
	} {
		n, err := p.noted(paid, "", flaw)
		p.played("notification", err)
		p.refused(one, n, what, signature)
	}
	body := p.genuine(paid, "").GetBody()
	flipped := bytes.Clone(body)
	flipped[len(flipped)/2] ^= 1
	for what, spoilt := range map[string][]byte{
		"a notification without its second half":    body[:len(body)/2],
		"a notification without a body":             nil,
		"a notification with a bit turned over":     flipped,
		"a notification of more than a megabyte":    append(bytes.Clone(body[:len(body)-1]), bytes.Repeat([]byte(" "), oversized)...),
		"a notification whose body is of no format": []byte("\x00\xff{[<"),
	} {
		n := p.genuine(paid, "")
		n.Body = spoilt
		p.refused(one, n, what, signature, unknown)
	}
	if p.described(one).GetNotificationAuth() == pb.NotificationAuth_NOTIFICATION_AUTH_HEADER {
		n := p.genuine(paid, "")
		n.Headers = nil
		p.refused(one, n, "a notification without headers", signature)
	}
}

func unknownSerial(p *probe) {
	one := p.start()
	n, err := p.noted(p.paid(one, p.about.Routes[0]), "", fixture.UnknownSerial)
	p.played("notification", err)
	p.refused(one, n, "a notification signed by a key that the account does not have", pb.RefusedCause_REFUSED_CAUSE_UNKNOWN_SERIAL)
}

// far is outside of every clock window, near inside (5 minutes are usual).
const far, near = 10 * time.Minute, time.Minute

func clockWindow(p *probe) {
	one := p.start()
	if p.described(one).GetNotificationAuth() != pb.NotificationAuth_NOTIFICATION_AUTH_HEADER {
		p.skip("Describe says that a notification's proof has no time")
	}
	paid := p.paid(one, p.about.Routes[0])
	for _, off := range []time.Duration{far, -far} {
		n := p.genuine(paid, "")
		n.ReceivedAt = timestamppb.New(time.Now().Add(off))
		p.refused(one, n, "a notification that was received "+off.String()+" after it was signed", pb.RefusedCause_REFUSED_CAUSE_CLOCK)
	}
	for _, off := range []time.Duration{near, -near} {
		n := p.genuine(paid, "")
		n.ReceivedAt = timestamppb.New(time.Now().Add(off))
		if a := p.parsed(one, n); a.GetRefused() != nil {
			p.wrong("a notification that was received %s after it was signed was refused with %s: that is near enough, by received_at",
				off, causeName(a.GetRefused().GetCause()))
		}
	}
}

func notification(p *probe) {
	one := p.start()
	keys := map[string]string{}
	for _, route := range p.about.Routes {
		paid := p.paid(one, route)
		n := p.genuine(paid, "")
		p.complete("a notification of a payment", paid, p.taken(one, n, keys).GetPayment())

		refund := p.refundOf(paid, 100)
		p.refunded(one, refund)
		p.played("arrive", p.fixture.Arrive(p.ctx, refundAt(p.trade(paid), refund.GetNumber())))
		told, err := p.noted(paid, refund.GetNumber(), fixture.Genuine)
		p.played("notification of a refund", err)
		p.refundArrived("a notification of a refund", refund, p.taken(one, told, keys).GetRefund())
	}

	paid := p.paid(one, p.about.Routes[0])
	lost := p.genuine(paid, "")
	lost.Account = "never-configured"
	p.refused(one, lost, "a notification to an account that was never configured", pb.RefusedCause_REFUSED_CAUSE_ACCOUNT)
	if n, err := p.noted(paid, "", fixture.Malformed); err == nil {
		p.refused(one, n, "a notification that is signed and cannot be read", pb.RefusedCause_REFUSED_CAUSE_MALFORMED)
	}
}

// taken parses a notification several times, once in another process, once under another path; the dedupe key is the
// same each time, and was no other's in keys.
func (p *probe) taken(one *process, n *pb.ParseNotificationRequest, keys map[string]string) *pb.ParseNotificationResponse {
	first := p.parsed(one, n)
	if first.GetRefused() != nil {
		p.fatal("a genuine notification was refused with %s: %s", causeName(first.GetRefused().GetCause()), first.GetRefused().GetDetail())
	}
	key := first.GetDedupeKey()
	if key == "" || len(key) > 128 {
		p.fatal("a notification's dedupe_key has %d bytes: 1 to 128 are right", len(key))
	}
	if other, used := keys[key]; used && other != string(n.GetBody()) {
		p.wrong("two notifications have the dedupe_key %q: the second one would be lost", key)
	}
	keys[key] = string(n.GetBody())
	elsewhere := p.parsed(p.start(), n)
	n.Path = "/notify/somewhere/else"
	for where, again := range map[string]*pb.ParseNotificationResponse{"in another process": elsewhere, "under another path": p.parsed(one, n)} {
		if again.GetDedupeKey() != key {
			p.wrong("one notification has the dedupe_key %q, and %q %s: it would be applied twice", key, again.GetDedupeKey(), where)
		}
	}
	return first
}

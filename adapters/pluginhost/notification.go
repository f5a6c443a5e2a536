package pluginhost

import (
	"context"
	"fmt"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
	"github.com/paybridge/paybridge/ports"
)

const (
	maxNotification = 1 << 20  // bytes of a body that a plugin is asked to read
	maxNotice       = 64 << 10 // bytes of a notice
	maxNotifyAnswer = 4 << 10  // bytes of an answer to the provider
)

// ParseNotification asks the plugin what a raw message is. An error wraps ports.ErrUnavailable: nobody here could look
// at it, and the provider should send it again.
func (h *Host) ParseNotification(ctx context.Context, provider, account string, m ports.RawMessage) (ports.Notification, error) {
	i, err := h.instance(provider)
	if err != nil {
		return ports.Notification{}, err
	}
	if err := i.ready(account); err != nil {
		return ports.Notification{}, err
	}
	if len(m.Body) > maxNotification {
		return ports.Notification{Refused: ports.RefusedTooLarge}, nil
	}
	request := &pb.ParseNotificationRequest{Account: account, Method: m.Method, Path: m.Path, Body: m.Body,
		ReceivedAt: instant(h.o.Now())}
	for name, values := range m.Headers {
		for _, value := range values {
			request.Headers = append(request.Headers, &pb.Header{Name: name, Value: []byte(value)})
		}
	}
	answer, failed := call(ctx, i, i.parses, account, "ParseNotification", request, pb.ProviderClient.ParseNotification)
	if failed != nil {
		return ports.Notification{}, fmt.Errorf("notification to account %s: %s: %w", account, failed.Message, ports.ErrUnavailable)
	}
	n, err := notification(answer)
	if err != nil {
		return ports.Notification{}, fmt.Errorf("notification to account %s: plugin %s: %w: %w", account, provider, err, ports.ErrUnavailable)
	}
	if !i.account(account).signed(answer) {
		h.o.Log.Warn("a notification to an account is of another merchant", "provider", provider, "account", account)
		return ports.Notification{Refused: ports.RefusedSignature, Nack: n.Nack}, nil
	}
	return n, nil
}

// signed tells whether a message that was verified with the account's keys is of the account's merchant. Keys of a
// provider verify messages to all its merchants: an address proves nothing (R13).
func (a *account) signed(r *pb.ParseNotificationResponse) bool {
	var of interface {
		GetMchid() string
		GetSubMchid() string
	}
	switch result := r.GetResult().(type) {
	case *pb.ParseNotificationResponse_Payment:
		of = result.Payment
	case *pb.ParseNotificationResponse_Refund:
		of = result.Refund
	case *pb.ParseNotificationResponse_Notice:
		of = result.Notice
	default:
		return true
	}
	same := func(said, ours string) bool { return said == "" || ours == "" || said == ours }
	return same(of.GetMchid(), a.MchID) && same(of.GetSubMchid(), a.SubMchID)
}

// notification reads a plugin's answer. An error: it broke its contract, or has lost the account.
func notification(r *pb.ParseNotificationResponse) (ports.Notification, error) {
	n := ports.Notification{DedupeKey: r.GetDedupeKey()}
	var err error
	if n.Ack, err = notifyAnswer(r.GetAck()); err != nil {
		return n, err
	}
	if n.Nack, err = notifyAnswer(r.GetNack()); err != nil {
		return n, err
	}
	switch result := r.GetResult().(type) {
	case *pb.ParseNotificationResponse_Payment:
		n.Payment, err = facts(result.Payment)
	case *pb.ParseNotificationResponse_Refund:
		n.Refund, err = refundFacts(result.Refund)
	case *pb.ParseNotificationResponse_Notice:
		n.Notice, err = notice(result.Notice)
	default: // refused, or a result of a later version
		if r.GetRefused().GetCause() == pb.RefusedCause_REFUSED_CAUSE_ACCOUNT {
			return n, fmt.Errorf("it does not have the account")
		}
		n.Refused = refused(r.GetRefused().GetCause())
		return n, nil
	}
	if err == nil && (n.DedupeKey == "" || ids(n.DedupeKey) != nil) {
		err = fmt.Errorf("a dedupe key of %d bytes", len(n.DedupeKey))
	}
	return n, err
}

func notifyAnswer(a *pb.HTTPAnswer) (ports.NotifyAnswer, error) {
	if len(a.GetBody()) > maxNotifyAnswer || ids(a.GetContentType()) != nil {
		return ports.NotifyAnswer{}, fmt.Errorf("an answer of %d bytes to the provider, %d are allowed", len(a.GetBody()), maxNotifyAnswer)
	}
	return ports.NotifyAnswer{ContentType: a.GetContentType(), Body: a.GetBody()}, nil
}

func notice(n *pb.Notice) (*ports.Notice, error) {
	if len(n.GetBody()) > maxNotice {
		return nil, fmt.Errorf("a notice of %d bytes, %d are allowed", len(n.GetBody()), maxNotice)
	}
	if err := ids(n.GetKind(), n.GetId()); err != nil {
		return nil, err
	}
	return &ports.Notice{Kind: n.GetKind(), ID: n.GetId(), Body: n.GetBody()}, nil
}

// refused of a later version is a bad signature: not believed.
func refused(c pb.RefusedCause) ports.RefuseCause {
	switch c {
	case pb.RefusedCause_REFUSED_CAUSE_CLOCK:
		return ports.RefusedClock
	case pb.RefusedCause_REFUSED_CAUSE_UNKNOWN_SERIAL:
		return ports.RefusedUnknownSerial
	case pb.RefusedCause_REFUSED_CAUSE_MALFORMED:
		return ports.RefusedUnreadable
	}
	return ports.RefusedSignature
}

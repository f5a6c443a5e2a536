package pluginhost

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	"github.com/paybridge/paybridge/core/money"
	"github.com/paybridge/paybridge/core/pay"
	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
	"github.com/paybridge/paybridge/ports"
)

const (
	// billTime is the most that a statement may take whose caller set no deadline: a large merchant's has a million lines.
	billTime = 10 * time.Minute
	// billsAtOnce is how many statements one plugin is asked for at a time.
	billsAtOnce = 4
)

// DownloadBill streams one statement (ports.Optional).
func (h *Host) DownloadBill(ctx context.Context, b ports.Bill, line func(any) error) (ports.BillAnswer, error) {
	i, err := h.option(b.Route, ports.ServiceBills)
	if err != nil {
		return ports.BillAnswer{}, err
	}
	ctx, cancel := context.WithTimeout(ctx, billTime)
	defer cancel()
	request := &pb.DownloadBillRequest{Call: callOf(pay.Payment{Route: b.Route}), Kind: billKind(b.Kind), Date: b.Day}
	if err := i.addToken(ctx, request); err != nil {
		return ports.BillAnswer{Outcome: *notSent("plugin %s: %v", i.pin.Name, err)}, nil
	}
	release, err := i.bills.take(ctx, b.Route.Account)
	if err != nil {
		return ports.BillAnswer{Outcome: *notSent("plugin %s has too many statements under way: %v", i.pin.Name, err)}, nil
	}
	defer release()
	r, err := i.enter()
	if err != nil {
		return ports.BillAnswer{Outcome: *notSent("%v", err)}, nil
	}
	defer i.leave()
	stream, err := pb.NewBillDownloadClient(r.conn).DownloadBill(ctx, request)
	if err != nil {
		return billFault(i, err)
	}
	var read statement
	for {
		item, err := stream.Recv()
		switch {
		case errors.Is(err, io.EOF):
			return read.broken(errors.New("a statement without an end")), nil
		case err != nil:
			return billFault(i, err)
		}
		if end := item.GetEnd(); end != nil {
			return read.ended(end), nil
		}
		said, err := read.take(item)
		if err != nil {
			return read.broken(err), nil
		}
		if said == nil {
			continue
		}
		if err := line(said); err != nil {
			return ports.BillAnswer{Lines: read.lines}, err
		}
	}
}

func billKind(k ports.BillKind) pb.BillKind {
	switch k {
	case ports.BillTrade:
		return pb.BillKind_BILL_KIND_TRADE
	case ports.BillFund:
		return pb.BillKind_BILL_KIND_FUND
	}
	return pb.BillKind_BILL_KIND_UNSPECIFIED
}

func billFault(i *instance, err error) (ports.BillAnswer, error) {
	if status.Code(err) == codes.Unimplemented {
		return ports.BillAnswer{}, absent(i.pin.Name, ports.ServiceBills)
	}
	return ports.BillAnswer{Outcome: pay.Outcome{Message: fmt.Sprintf("plugin %s: DownloadBill: %s", i.pin.Name, faultText(err))}}, nil
}

// statement is what was read of one so far: the totals that it ends with must be those of its lines.
type statement struct {
	lines          int64
	paid, refunded money.Amount // of funds: in and out
	fee            int64
	totals         *pb.BillTotals
}

func (s *statement) broken(err error) ports.BillAnswer {
	return ports.BillAnswer{Outcome: distrust(pay.Outcome{}, err), Lines: s.lines}
}

// ended reads the last item: only what the plugin accepts, and what adds up, is a statement.
func (s *statement) ended(end *pb.Outcome) ports.BillAnswer {
	a := ports.BillAnswer{Outcome: outcome(end), Lines: s.lines, ProviderTime: moment(end.GetProviderTime())}
	if a.Outcome.Verdict != pay.Accepted {
		return a
	}
	if s.totals == nil { // a statement cut short looks like a short one
		a.Outcome = distrust(a.Outcome, errors.New("a statement without its totals"))
		return a
	}
	for _, t := range []struct {
		what       string
		said, read int64
	}{
		{"lines", s.totals.GetLines(), s.lines},
		{"paid", s.totals.GetPaid().GetMinor(), s.paid.Minor},
		{"refunded", s.totals.GetRefunded().GetMinor(), s.refunded.Minor},
		{"fees", s.totals.GetFeeMilli(), s.fee},
	} {
		if t.said != t.read {
			a.Outcome = distrust(a.Outcome, fmt.Errorf("the statement says %s %d and its lines make %d", t.what, t.said, t.read))
			return a
		}
	}
	return a
}

// take reads one item; nil: it is no line.
func (s *statement) take(item *pb.DownloadBillResponse) (any, error) {
	switch of := item.GetItem().(type) {
	case *pb.DownloadBillResponse_Trade:
		s.lines++
		return s.trade(of.Trade)
	case *pb.DownloadBillResponse_Fund:
		s.lines++
		return s.fund(of.Fund)
	case *pb.DownloadBillResponse_Totals:
		s.totals = of.Totals
		return nil, nil
	}
	return nil, errors.New("an item of no kind that is known")
}

// maxAttach is what a create may send along, in bytes.
const maxAttach = 128

func (s *statement) trade(l *pb.TradeLine) (any, error) {
	paid, err := moneyOf(l.GetAmount())
	if err != nil {
		return nil, err
	}
	back, err := moneyOf(l.GetRefundAmount())
	if err != nil {
		return nil, err
	}
	if err := ids(l.GetAppId(), l.GetMchid(), l.GetSubMchid(), l.GetProviderId(), l.GetNumber(), l.GetProviderRefundId(), l.GetRefundNumber()); err != nil {
		return nil, err
	}
	if s.paid, err = sum(s.paid, paid); err != nil {
		return nil, err
	}
	if s.refunded, err = sum(s.refunded, back); err != nil {
		return nil, err
	}
	s.fee += l.GetFeeMilli()
	return ports.TradeLine{
		OccurredAt: moment(l.GetOccurredAt()), AppID: l.GetAppId(), MchID: l.GetMchid(), SubMchID: l.GetSubMchid(),
		ProviderID: l.GetProviderId(), Number: l.GetNumber(), ProviderRefundID: l.GetProviderRefundId(), RefundNumber: l.GetRefundNumber(),
		Amount: paid, RefundAmount: back, FeeMilli: l.GetFeeMilli(),
		TradeState: clean(l.GetTradeStateName(), maxID), RefundState: clean(l.GetRefundStateName(), maxID), RefundFact: refundFactState(l.GetRefundState()),
		Attach: clean(l.GetAttach(), maxAttach),
	}, nil
}

func (s *statement) fund(l *pb.FundLine) (any, error) {
	moved := money.Amount{Minor: l.GetAmount().GetMinor(), Currency: l.GetAmount().GetCurrency()}
	balance := money.Amount{Minor: l.GetBalance().GetMinor(), Currency: l.GetBalance().GetCurrency()}
	for _, a := range []money.Amount{moved, balance} { // below zero is right, no currency is not
		if err := (money.Amount{Minor: 1, Currency: a.Currency}).Payable(); err != nil {
			return nil, err
		}
	}
	if err := ids(l.GetBusinessId(), l.GetFlowId(), l.GetVoucherNo()); err != nil {
		return nil, err
	}
	into, by := &s.paid, moved
	if moved.Minor < 0 {
		into, by = &s.refunded, money.Amount{Minor: -moved.Minor, Currency: moved.Currency}
	}
	var err error
	if *into, err = sum(*into, by); err != nil {
		return nil, err
	}
	return ports.FundLine{
		BookedAt: moment(l.GetBookedAt()), BusinessID: l.GetBusinessId(), FlowID: l.GetFlowId(),
		BusinessName: clean(l.GetBusinessName(), maxID), BusinessType: clean(l.GetBusinessType(), maxID),
		Amount: moved, Balance: balance, Remark: clean(l.GetRemark(), 512), VoucherNo: l.GetVoucherNo(),
	}, nil
}

// sum adds an amount to a total; of a line that says none nothing is added.
func sum(total, a money.Amount) (money.Amount, error) {
	if a == (money.Amount{}) {
		return total, nil
	}
	if total == (money.Amount{}) {
		return a, nil
	}
	return total.Add(a)
}

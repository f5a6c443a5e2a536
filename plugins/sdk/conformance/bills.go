package conformance

import (
	"errors"
	"io"
	"slices"

	"google.golang.org/protobuf/proto"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
	"github.com/paybridge/paybridge/plugins/sdk/fixture"
)

func bills(p *probe) {
	one := p.start()
	if !slices.Contains(p.described(one).GetOptionalServices(), pb.OptionalService_OPTIONAL_SERVICE_BILL_DOWNLOAD) {
		p.skip("Describe does not name BILL_DOWNLOAD")
	}
	paid := p.paid(one, p.about.Routes[0])
	played := false
	for kind, name := range map[pb.BillKind]string{pb.BillKind_BILL_KIND_TRADE: "trade", pb.BillKind_BILL_KIND_FUND: "fund"} {
		for _, wrongHash := range []bool{true, false} {
			date, err := p.fixture.Bill(p.ctx, fixture.Bill{Account: paid.GetCall().GetRoute().GetAccount(), Kind: name, WrongHash: wrongHash})
			if errors.Is(err, fixture.ErrUnsupported) {
				p.note("the fixture has no such %s statement: %v", name, err)
				continue
			}
			p.played("bill", err)
			played = true
			items, end := p.download(one, &pb.DownloadBillRequest{Call: paid.GetCall(), Kind: kind, Date: date})
			accepted := end.GetVerdict() == pb.Verdict_VERDICT_ACCEPTED
			switch {
			case wrongHash && accepted:
				p.wrong("a %s statement whose hash does not fit ends ACCEPTED: verify it before the end is said", name)
			case !wrongHash && !accepted:
				p.wrong("a genuine %s statement ends %s: %s", name, verdict(end), end)
			case !wrongHash && kind == pb.BillKind_BILL_KIND_TRADE:
				p.billed(paid, items)
			case !wrongHash && !slices.ContainsFunc(items, func(i *pb.DownloadBillResponse) bool { return i.GetFund() != nil }):
				p.wrong("a fund statement of a day with payments has no line")
			}
		}
	}
	if !played {
		p.skip("the fixture has no statements")
	}
}

// billed looks for the line of a payment.
func (p *probe) billed(paid *pb.CreatePaymentRequest, items []*pb.DownloadBillResponse) {
	for _, i := range items {
		line := i.GetTrade()
		if line.GetNumber() != paid.GetNumber() || line.GetRefundNumber() != "" || line.GetProviderRefundId() != "" {
			continue
		}
		if line.GetAmount().GetMinor() != paid.GetAmount().GetMinor() || line.GetMchid() != paid.GetCall().GetRoute().GetMchid() {
			p.wrong("a payment over %d is %d in the statement: minor units, exactly", paid.GetAmount().GetMinor(), line.GetAmount().GetMinor())
		}
		return
	}
	p.wrong("the statement of a day has no line of a payment that was paid on it")
}

func (p *probe) download(one *process, r *pb.DownloadBillRequest) (items []*pb.DownloadBillResponse, end *pb.Outcome) {
	stream, err := pb.NewBillDownloadClient(one.conn).DownloadBill(p.ctx, r)
	for err == nil {
		var item *pb.DownloadBillResponse
		if item, err = stream.Recv(); err != nil {
			break
		}
		text, _ := proto.Marshal(item) // it was just unmarshalled
		_, _ = p.answers.Write(text)   // a record takes everything
		if item.GetEnd() != nil {
			end = item.GetEnd()
			continue
		}
		items = append(items, item)
	}
	if !errors.Is(err, io.EOF) {
		p.fatal("DownloadBill answers a gRPC error: %v: how it ended is told in end", err)
	}
	if end == nil {
		p.fatal("DownloadBill's stream ends without an outcome")
	}
	return items, end
}

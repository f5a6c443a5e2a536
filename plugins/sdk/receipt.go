package sdk

import "context"

// ReceiptPages chooses what a payer sees after paying. Optional.
type ReceiptPages interface {
	// SetReceiptPage may be repeated.
	SetReceiptPage(ctx context.Context, r ReceiptPage) Result
}

// ReceiptPage is one choice, for the account of the call's route.
type ReceiptPage struct {
	Call
	Page ReceiptPageKind
}

// ReceiptPageKind is what is shown.
type ReceiptPageKind int32

// What a payer sees after paying.
const (
	NoReceipt       ReceiptPageKind = 1
	ProviderReceipt ReceiptPageKind = 2 // the provider's own page
	OwnReceipt      ReceiptPageKind = 3 // a page of ours, at the address that was registered with the provider
)

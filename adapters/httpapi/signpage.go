package httpapi

import "context"

// SignPage makes a page of an app's one that may open the cashier of medical insurance.
func (a api) SignPage(ctx context.Context, r SignPageRequestObject) (SignPageResponseObject, error) {
	s, err := a.gateway.SignPage(ctx, callOf(ctx).app, r.Body.Entry, r.Body.URL)
	if err != nil {
		return nil, err
	}
	return SignPage200JSONResponse{AppID: s.AppID, Timestamp: s.Timestamp, NonceStr: s.Nonce, Signature: s.Signature}, nil
}

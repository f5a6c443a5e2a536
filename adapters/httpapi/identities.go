package httpapi

import (
	"context"

	"github.com/paybridge/paybridge/core/gateway"
	"github.com/paybridge/paybridge/core/identity"
)

func (a api) BindIdentity(ctx context.Context, r BindIdentityRequestObject) (BindIdentityResponseObject, error) {
	p, err := a.gateway.Bind(ctx, callOf(ctx).app, gateway.BindRequest{UserID: r.Body.UserID, Entry: r.Body.Entry, OpenID: r.Body.Openid})
	if err != nil {
		return nil, err
	}
	return BindIdentity200JSONResponse(personOf(p)), nil
}

func (a api) LookUpIdentity(ctx context.Context, r LookUpIdentityRequestObject) (LookUpIdentityResponseObject, error) {
	in := gateway.BindRequest{UserID: given(r.Body.UserID), Entry: given(r.Body.Entry), OpenID: given(r.Body.Openid)}
	switch byName := in.Entry != "" || in.OpenID != ""; {
	case byName == (in.UserID != ""):
		return nil, invalid{{Field: "body", Detail: "must have user_id, or entry and openid"}}
	case byName && in.Entry == "":
		return nil, invalid{{Field: "entry", Detail: "is required with openid"}}
	case byName && in.OpenID == "":
		return nil, invalid{{Field: "openid", Detail: "is required with entry"}}
	}
	p, err := a.gateway.LookUp(ctx, callOf(ctx).app, in)
	if err != nil {
		return nil, err
	}
	return LookUpIdentity200JSONResponse(personOf(p)), nil
}

// personOf shows an app what it knows by itself, and nothing else (R42).
func personOf(p identity.Payer) Person {
	out := Person{UserID: unlessZero(p.UserID), Identities: []Identity{}, Divided: p.Divided}
	for _, t := range p.Ties {
		out.Identities = append(out.Identities, Identity{AppID: t.AppID, Openid: t.OpenID, Verified: t.Verified})
	}
	return out
}

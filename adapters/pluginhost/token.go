package pluginhost

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	pb "github.com/paybridge/paybridge/plugins/proto/providerv1"
)

// AppToken is an access token of an app id at api.weixin.qq.com.
type AppToken struct {
	Token     string // a secret
	ExpiresAt time.Time
}

// tokenCall is a request that may bear an access token.
type tokenCall interface{ GetCall() *pb.Call }

// addToken gives a call the access token of its app id, where the plugin has said that it needs one. What has been refused
// is not given again: another is asked for.
func (i *instance) addToken(ctx context.Context, request any) error {
	r, ok := request.(tokenCall)
	_, about := i.current()
	if !ok || !about.GetNeedsAppAccessToken() || !ofMode(r.GetCall().GetRoute().GetOptions(), about.GetAppAccessTokenMode()) {
		return nil
	}
	app := r.GetCall().GetRoute().GetAppId()
	if i.o.AppToken == nil {
		return errors.New("its calls need an access token of app id " + app + ", and nothing here gives one")
	}
	token, err := i.o.AppToken(ctx, app, i.refusedToken(app))
	if err != nil {
		return fmt.Errorf("access token of app id %s: %w", app, err)
	}
	r.GetCall().AppAccessToken = &pb.AppAccessToken{AppId: app, Token: token.Token, ExpiresAt: instant(token.ExpiresAt)}
	return nil
}

// ofMode tells whether an entry's settings have a mode; an empty one is every entry's.
func ofMode(options []byte, mode string) bool {
	var settings struct {
		Mode string `json:"mode"`
	}
	return mode == "" || json.Unmarshal(options, &settings) == nil && settings.Mode == mode
}

// noteToken takes down that the provider did not take a call's access token. It tells whether that is all that came of the call, so that
// the same with another token is right.
func (i *instance) noteToken(request, answer any) (refused bool) {
	r, bore := request.(tokenCall)
	a, tells := answer.(interface{ GetOutcome() *pb.Outcome })
	if !bore || !tells || !a.GetOutcome().GetAppAccessTokenRefused() || r.GetCall().GetAppAccessToken() == nil {
		return false
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.refused == nil {
		i.refused = map[string]string{}
	}
	i.refused[r.GetCall().GetAppAccessToken().GetAppId()] = r.GetCall().GetAppAccessToken().GetToken()
	return a.GetOutcome().GetVerdict() == pb.Verdict_VERDICT_NOT_SENT
}

func (i *instance) refusedToken(app string) string {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.refused[app]
}

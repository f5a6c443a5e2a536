package sim

import (
	"slices"
	"time"
)

const (
	appTokenLife = 2 * time.Hour
	// renewed is how long before its end stable_token gives another token; the old one works until then.
	renewed = 5 * time.Minute
	// forcedADay and forcedApart bound force_refresh.
	forcedADay  = 20
	forcedApart = 30 * time.Second
)

// stableToken is an app id's access token. code is WeChat's: 0 where there is one.
func (s *Simulator) stableToken(appID string, force bool) (appToken, int) {
	now := s.Now()
	x := s.weixin
	x.mu.Lock()
	defer x.mu.Unlock()
	have := x.appTokens[appID]
	if force {
		today := slices.DeleteFunc(x.forced[appID], func(at time.Time) bool { return now.Sub(at) >= 24*time.Hour })
		if n := len(today); n > 0 && now.Sub(today[n-1]) < forcedApart {
			force = false // answered with the token there is
		} else if n >= forcedADay {
			return appToken{}, errQuota
		} else {
			x.forced[appID] = append(today, now)
		}
	}
	if have != nil && !force && have.ends.Sub(now) > renewed {
		return *have, 0
	}
	fresh := &appToken{appID: appID, token: "90_" + alphanumeric(517), ends: now.Add(appTokenLife)}
	if have != nil && !force { // a forced refresh ends the old one at once
		x.old[have.token] = have
	}
	x.appTokens[appID] = fresh
	return *fresh, 0
}

// tokenOf is the app id whose access token it is. ok is false for one that never was, has ended or was replaced.
func (s *Simulator) tokenOf(token string) (appID string, ok bool) {
	now := s.Now()
	x := s.weixin
	x.mu.Lock()
	defer x.mu.Unlock()
	for _, t := range x.appTokens {
		if t.token == token && !t.ended && now.Before(t.ends) {
			return t.appID, true
		}
	}
	if t := x.old[token]; t != nil && now.Before(t.ends) {
		return t.appID, true
	}
	return "", false
}

// EndAppToken makes WeChat refuse an app id's access token before its time, as after its secret was reset.
// stable_token goes on to give it until it is forced.
func (s *Simulator) EndAppToken(appID string) {
	x := s.weixin
	x.mu.Lock()
	defer x.mu.Unlock()
	if t := x.appTokens[appID]; t != nil {
		t.ended = true
	}
	x.tickets[appID] = nil
}

// ticket is an app id's jsapi_ticket.
func (s *Simulator) ticket(appID string) appToken {
	now := s.Now()
	x := s.weixin
	x.mu.Lock()
	defer x.mu.Unlock()
	if t := x.tickets[appID]; t != nil && now.Before(t.ends) {
		return *t
	}
	x.tickets[appID] = &appToken{appID: appID, token: alphanumeric(86), ends: now.Add(appTokenLife)}
	return *x.tickets[appID]
}

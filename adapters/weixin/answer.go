package weixin

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"

	"github.com/paybridge/paybridge/ports"
)

// answer is what any of the calls answers, as far as it is read. Refusals come as 200 too.
type answer struct {
	ErrCode     int    `json:"errcode"`
	OpenID      string `json:"openid"`
	UnionID     string `json:"unionid"`
	Snapshot    int    `json:"is_snapshotuser"`
	AccessToken string `json:"access_token"`
	Ticket      string `json:"ticket"`
	ExpiresIn   int64  `json:"expires_in"` // seconds

	ErrMsg string     `json:"errmsg"` // repeats what was sent: told of shipping only
	Order  wxaShipped `json:"order"`
}

var (
	// errUnreadable says that an answer was not one; what it was is not repeated, since it may hold secrets.
	errUnreadable = errors.New("the answer could not be read")

	plainID    = regexp.MustCompile(`^[0-9A-Za-z_-]{1,128}$`)
	plainToken = regexp.MustCompile(`^[\x21-\x7e]+$`)
)

// longestLife bounds what is believed of a token's remaining life, in seconds.
const longestLife = 24 * 60 * 60

// parse reads an answer and refuses what no answer of WeChat's holds.
func parse(text []byte) (answer, error) {
	var a answer
	if len(text) > largestAnswer || json.Unmarshal(text, &a) != nil {
		return answer{}, errUnreadable
	}
	for _, id := range []string{a.OpenID, a.UnionID} {
		if id != "" && !plainID.MatchString(id) {
			return answer{}, errUnreadable
		}
	}
	for _, token := range []string{a.AccessToken, a.Ticket} {
		if token != "" && !plainToken.MatchString(token) {
			return answer{}, errUnreadable
		}
	}
	if a.ExpiresIn < 0 || a.ExpiresIn > longestLife {
		return answer{}, errUnreadable
	}
	return a, nil
}

// WeChat's error codes that mean something here.
const (
	codeBusy       = -1
	codeBadToken   = 40001 // of getticket: the access token; of others: the secret
	codeBadCode    = 40029
	codeCodeLate   = 42003
	codeNoCode     = 41008
	codeCodeUsed   = 40163
	codeBlocked    = 40226
	codeTooOften   = 45011
	codeQuota      = 45009
	codeBadAppID   = 40013
	codeBadSecret  = 40125
	codeNoSecret   = 41004
	codeNotListed  = 40164 // our address is not on the app id's list
	codeNoRight    = 48001
	codeTokenShape = 40014
	codeTokenLate  = 42001
)

var refusals = map[int]struct {
	means error
	text  string
}{
	codeBusy:      {ports.ErrUnavailable, "WeChat is busy"},
	codeBadCode:   {ports.ErrCodeInvalid, "a code that WeChat did not give to this app id, or too long ago"},
	codeCodeLate:  {ports.ErrCodeInvalid, "the code came too late"},
	codeNoCode:    {ports.ErrCodeInvalid, "there was no code"},
	codeCodeUsed:  {ports.ErrCodeUsed, "each code is good once"},
	codeBlocked:   {ports.ErrPayerBlocked, "WeChat takes the payer for a risk"},
	codeTooOften:  {ports.ErrTooOften, "WeChat takes 100 sign-ins a minute of one payer"},
	codeQuota:     {ports.ErrTooOften, "the app id's daily limit is reached; raise or clear it on the platform"},
	codeBadToken:  {ports.ErrIdentityRefused, "the secret, or the access token, is not the app id's: compare the entry's secret with the platform"},
	codeBadAppID:  {ports.ErrIdentityRefused, "there is no such app id: compare the entry's app_id with the platform"},
	codeBadSecret: {ports.ErrIdentityRefused, "the secret is not the app id's: compare the entry's secret with the platform"},
	codeNoSecret:  {ports.ErrIdentityRefused, "the entry's secret is empty"},
	codeNotListed: {ports.ErrIdentityRefused, "this gateway's address is not on the app id's list of addresses: add it on the platform"},
	codeNoRight:   {ports.ErrIdentityRefused, "the app id has no right to this call: a certified official account is needed"},
}

// problem says what an answer refuses, nil where it does not. WeChat's own words are left out: they repeat what was sent.
func (a answer) problem(what string) error {
	if a.ErrCode == 0 {
		return nil
	}
	r, known := refusals[a.ErrCode]
	if !known {
		return fmt.Errorf("%s: %w: WeChat's code %d", what, ports.ErrUnavailable, a.ErrCode)
	}
	return fmt.Errorf("%s: %w: WeChat's code %d: %s", what, r.means, a.ErrCode, r.text)
}

// badToken tells whether the access token of a call was refused.
func (a answer) badToken() bool {
	return a.ErrCode == codeBadToken || a.ErrCode == codeTokenShape || a.ErrCode == codeTokenLate
}

package sim

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// weixin is what api.weixin.qq.com and open.weixin.qq.com remember. Nothing of it is kept between runs: codes are short-lived
// and tokens can be fetched again.
type weixin struct {
	mu        sync.Mutex
	codes     map[string]*loginCode
	payers    map[string]payerToken // by the access token that a web authorization gave
	appTokens map[string]*appToken  // by app id: the one in force
	old       map[string]*appToken  // by token: those before it that still work for a while
	tickets   map[string]*appToken  // by app id
	forced    map[string][]time.Time
}

func newWeixin() *weixin {
	return &weixin{
		codes: map[string]*loginCode{}, payers: map[string]payerToken{}, appTokens: map[string]*appToken{},
		old: map[string]*appToken{}, tickets: map[string]*appToken{}, forced: map[string][]time.Time{},
	}
}

// loginCode is a code of a web authorization, or a js_code where scope is empty. It belongs to one app id.
type loginCode struct {
	appID, openID string
	scope         string
	ends          time.Time
	used          bool
}

type payerToken struct {
	openID, scope string
	ends          time.Time
}

// appToken is an app id's access token or ticket.
type appToken struct {
	appID, token string
	ends         time.Time
	ended        bool // nobody takes it any more
}

// codeLife is how long a code is good.
const codeLife = 5 * time.Minute

// AppSecret is the secret of an app id: what its owner reads off WeChat's platform. It follows from the app id, so that a
// configuration can be written before the simulator has run.
func AppSecret(appID string) string {
	sum := sha256.Sum256([]byte("the simulated secret of " + appID))
	return hex.EncodeToString(sum[:16])
}

// appFolder, below a keys folder, holds a file secret.txt for each app id.
const appFolder, secretFile = "apps", "secret.txt"

func writeAppSecrets(dir string, apps []SeedApp) error {
	if dir == "" {
		return nil
	}
	for _, a := range apps {
		folder := filepath.Join(dir, appFolder, a.AppID)
		if err := os.MkdirAll(folder, 0o700); err != nil {
			return fmt.Errorf("make the folder of app %s: %w", a.AppID, err)
		}
		if err := writeWhole(filepath.Join(folder, secretFile), []byte(AppSecret(a.AppID)+"\n")); err != nil {
			return err
		}
	}
	return nil
}

// LoginCode is what wx.login gives the person who holds the phone in a mini program. The person is named by the openid or
// the name of the seed.
func (s *Simulator) LoginCode(appID, person string) (string, error) {
	return s.newCode(appID, person, "")
}

// OAuthCode is the code that a web authorization of this scope (snsapi_base, snsapi_userinfo) brings back for the person.
func (s *Simulator) OAuthCode(appID, person, scope string) (string, error) {
	if !oauthScopes[scope] {
		return "", fmt.Errorf("there is no scope %q: snsapi_base or snsapi_userinfo", scope)
	}
	return s.newCode(appID, person, scope)
}

func (s *Simulator) newCode(appID, person, scope string) (string, error) {
	user, ok := s.user(appID, person)
	if !ok {
		return "", &controlError{http.StatusNotFound, "unknown_user", fmt.Sprintf("app %s has no user %q", appID, person)}
	}
	code := "0" + alphanumeric(31)
	s.weixin.mu.Lock()
	defer s.weixin.mu.Unlock()
	s.weixin.codes[code] = &loginCode{appID: appID, openID: user.OpenID, scope: scope, ends: s.Now().Add(codeLife)}
	return code, nil
}

// user finds a user of an app by openid or name, as they are now.
func (s *Simulator) user(appID, person string) (SeedUser, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.world.apps[appID]
	if !ok {
		return SeedUser{}, false
	}
	i := slices.IndexFunc(a.Users, func(u SeedUser) bool { return u.OpenID == person || u.Name == person })
	if i < 0 {
		return SeedUser{}, false
	}
	return a.Users[i], true
}

// Person is somebody of the seed, by the name that they have in each app.
type Person struct {
	Name    string `json:"name"`
	UnionID bool   `json:"unionid"` // whether some app is told one
}

// Persons are those whom the seed's apps know, in the seed's order.
func (s *Simulator) Persons() []Person {
	s.mu.Lock()
	defer s.mu.Unlock()
	var persons []Person
	for _, seeded := range s.cfg.Seed.Apps {
		for _, u := range s.world.apps[seeded.AppID].Users {
			i := slices.IndexFunc(persons, func(p Person) bool { return p.Name == u.Name })
			if i < 0 {
				i, persons = len(persons), append(persons, Person{Name: u.Name})
			}
			persons[i].UnionID = persons[i].UnionID || u.UnionID != ""
		}
	}
	return persons
}

// OpenID is what an app calls a person, who is named by openid or by the name of the seed; false: it does not know them.
func (s *Simulator) OpenID(appID, person string) (openID string, known bool) {
	u, known := s.user(appID, person)
	return u.OpenID, known
}

// SetUnionID gives a user a unionid, as happens when an app id is bound to an Open Platform account later; empty takes it
// away.
func (s *Simulator) SetUnionID(appID, person, unionID string) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	a, ok := s.world.apps[appID]
	if !ok {
		return fmt.Errorf("there is no app %s", appID)
	}
	i := slices.IndexFunc(a.Users, func(u SeedUser) bool { return u.OpenID == person || u.Name == person })
	if i < 0 {
		return fmt.Errorf("app %s has no user %q", appID, person)
	}
	a.Users = slices.Clone(a.Users) // the caller's seed stays as it was
	a.Users[i].UnionID = unionID
	return nil
}

// spend uses a code up for its app id. code is WeChat's: 0 where it was good.
func (s *Simulator) spend(appID, code string, ofOAuth bool) (loginCode, int) {
	s.weixin.mu.Lock()
	defer s.weixin.mu.Unlock()
	c, ok := s.weixin.codes[code]
	switch {
	case !ok || c.appID != appID || (c.scope != "") != ofOAuth:
		return loginCode{}, errInvalidCode
	case c.used:
		return loginCode{}, errCodeUsed
	case !s.Now().Before(c.ends):
		return loginCode{}, errInvalidCode
	}
	c.used = true
	return *c, 0
}

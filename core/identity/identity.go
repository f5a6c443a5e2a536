package identity

import (
	"slices"
	"strings"
)

// Name is how one app id knows a person.
type Name struct {
	AppID  string // of an official account or a mini program
	OpenID string
}

// Compare orders names, so that whoever locks several takes them in the same order.
func (n Name) Compare(b Name) int {
	if c := strings.Compare(n.AppID, b.AppID); c != 0 {
		return c
	}
	return strings.Compare(n.OpenID, b.OpenID)
}

// Identity is a name and the person behind it.
type Identity struct {
	Name
	UnionID string // empty: WeChat has not told it, or not yet
	Person  string // an id of ours, the same for all identities that unionids tie together
}

// Tie is what one app knows of an identity. Another app never sees it (R42).
type Tie struct {
	App string
	Name
	UserID   string // the app's own name for the person; empty: it gave none
	Verified bool   // the payer came through this app, and WeChat said who it is; false: the app says so
}

// Payer is a person as one app sees them.
type Payer struct {
	App     string
	UserID  string // empty: the app gave none
	Names   []Name // every name by which the person pays, in order
	Ties    []Tie  // those of Names that the app knows by itself: all that it may be shown
	Divided bool   // WeChat says that this is one person, and the app had given more than one user_id: it stays several payers
}

// Is tells whether the payer bears this openid of this app id.
func (p Payer) Is(n Name) bool { return slices.Contains(p.Names, n) }

// Answers tells whether an order that names this id (an openid or a user_id) means the payer.
func (p Payer) Answers(id string) bool {
	return id != "" && (p.UserID == id || slices.ContainsFunc(p.Names, func(n Name) bool { return n.OpenID == id }))
}

// View is whom an app sees behind a name. ids and ties are all that can be reached from it: the identities of its person
// and of every person that the app calls by the same user_id, and what the app knows of those. Identities join by unionid,
// or by the app's user_id; but never do two user_ids of one app become one payer (R42).
func View(app string, of Name, ids []Identity, ties []Tie) Payer {
	v := view{ids: ids, users: map[Name]string{}}
	for _, t := range ties {
		v.users[t.Name] = t.UserID
	}
	p := Payer{App: app}
	at := slices.IndexFunc(ids, func(i Identity) bool { return i.Name == of })
	if at < 0 {
		return p
	}
	var user string
	user, p.Divided = v.userOf(ids[at].Person)
	if p.Divided {
		user = v.users[of]
	}
	p.UserID = user
	for _, i := range ids {
		theirs, divided := v.userOf(i.Person)
		switch {
		case i.Name == of,
			user != "" && v.users[i.Name] == user,                // the app has said so itself
			user != "" && !divided && theirs == user,             // of a person that the app calls so
			!p.Divided && !divided && i.Person == ids[at].Person: // of the same person
			p.Names = append(p.Names, i.Name)
		}
	}
	slices.SortFunc(p.Names, Name.Compare)
	for _, t := range ties {
		if p.Is(t.Name) {
			p.Ties = append(p.Ties, t)
		}
	}
	slices.SortFunc(p.Ties, func(a, b Tie) int { return a.Compare(b.Name) })
	return p
}

type view struct {
	ids   []Identity
	users map[Name]string
}

// userOf is what the app calls a person; divided: it has more than one word for them.
func (v view) userOf(person string) (user string, divided bool) {
	for _, i := range v.ids {
		u := v.users[i.Name]
		if i.Person != person || u == "" {
			continue
		}
		if user != "" && u != user {
			return "", true
		}
		user = u
	}
	return user, false
}

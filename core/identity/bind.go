package identity

import "fmt"

// Conflict says that an app's word would make two of its own users one person. Nothing was changed (R42).
type Conflict struct{ Name Name }

func (c *Conflict) Error() string {
	return fmt.Sprintf("the openid of app id %s belongs to another user_id of this app", c.Name.AppID)
}

// Bind decides what it means that an app calls the one behind a name by a user_id. payer is whom the app sees behind that
// name now. It fails with a *Conflict where the app calls them otherwise already.
func Bind(app string, of Name, userID string, payer Payer) (Tie, error) {
	tie := Tie{App: app, Name: of, UserID: userID}
	for _, t := range payer.Ties {
		if t.Name == of {
			tie.Verified = t.Verified
			if t.UserID != "" && t.UserID != userID {
				return Tie{}, &Conflict{of}
			}
		}
	}
	if payer.UserID != "" && payer.UserID != userID {
		return Tie{}, &Conflict{of}
	}
	return tie, nil
}

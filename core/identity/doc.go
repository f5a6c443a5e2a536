// Package identity decides who a payer is. A person has another openid in each app id; WeChat's unionid ties them where
// there is one, and an app may tie them for itself by a user_id. Its functions are pure: from what is stored and what was
// seen to what changes.
package identity

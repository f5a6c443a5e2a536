// Package weixin asks api.weixin.qq.com who a payer is, and keeps the access tokens and tickets of app ids. What it is
// told beside that (session keys, tokens of payers) it does not read, and no address, which holds secrets, is in an error.
package weixin

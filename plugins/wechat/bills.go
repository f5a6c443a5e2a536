package wechat

import (
	"bufio"
	"compress/gzip"
	"context"
	"crypto/sha1" //nolint:gosec // the hash that WeChat names; it tells a broken file from a whole one
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/paybridge/paybridge/plugins/sdk"
)

const (
	// billTime bounds the download of one statement whose context has no deadline of its own.
	billTime = 30 * time.Minute
	// largestBill bounds an unpacked statement in bytes: some ten million lines.
	largestBill = 4 << 30
)

// DownloadBill streams one day's statement. Lines are emitted as they come; that they are WeChat's is known at the end,
// when the file's hash was compared with the one in WeChat's signed answer. So only Accepted makes a statement of what was
// emitted. A day without business is REJECTED NOT_FOUND, one that is not ready UNAVAILABLE.
func (c *Client) DownloadBill(ctx context.Context, r sdk.BillRequest, emit func(sdk.BillItem) error) sdk.Result {
	path, err := billPath(r)
	if err != nil {
		return sdk.Rejected(sdk.InvalidRequest, "", "not sent: "+err.Error())
	}
	var made struct {
		HashType    string `json:"hash_type"`
		HashValue   string `json:"hash_value"`
		DownloadURL string `json:"download_url"`
	}
	answer, err := c.do(ctx, request{op: OpBill, number: r.Date, method: http.MethodGet, path: path}, &made)
	if err != nil {
		return Failed(answer, err)
	}
	if !strings.EqualFold(made.HashType, "SHA1") {
		return Failed(answer, fmt.Errorf("bill %s: its hash is of a kind that is not known: %.16q", r.Date, made.HashType))
	}
	host, path, err := c.ofHost(made.DownloadURL)
	if err != nil {
		return Failed(answer, fmt.Errorf("bill %s: %w", r.Date, err))
	}
	if err := c.fetchBill(ctx, host, path, made.HashValue, r, emit); err != nil {
		return Failed(answer, fmt.Errorf("bill %s: %w", r.Date, err))
	}
	return Taken(answer)
}

// billPath is where to ask for a statement.
func billPath(r sdk.BillRequest) (string, error) {
	if _, err := time.Parse(time.DateOnly, r.Date); err != nil {
		return "", errors.New("a bill's date is a day in Shanghai, YYYY-MM-DD")
	}
	q := url.Values{"bill_date": {r.Date}, "tar_type": {"GZIP"}}
	switch {
	case r.Kind == sdk.TradeBill:
		q.Set("bill_type", "ALL")
		if r.Route.SubMchID != "" {
			q.Set("sub_mchid", r.Route.SubMchID)
		}
		return "/v3/bill/tradebill?" + q.Encode(), nil
	case r.Kind == sdk.FundBill && r.Route.SubMchID != "":
		return "", errors.New("WeChat gives a fund bill to direct merchants only; a sub merchant reads its own at the merchant platform")
	case r.Kind == sdk.FundBill:
		q.Set("account_type", "BASIC")
		return "/v3/bill/fundflowbill?" + q.Encode(), nil
	}
	return "", fmt.Errorf("a bill of kind %d is not known", r.Kind)
}

// ofHost takes a URL apart that WeChat gave us. Before anything is signed for it, it must be on a host that the account
// is configured with (R44).
func (c *Client) ofHost(text string) (host, path string, err error) {
	u, err := url.Parse(text)
	if err != nil || u.User != nil || u.Fragment != "" || !slices.Contains(c.hosts, u.Scheme+"://"+u.Host) {
		return "", "", errors.New("its download URL is not on a host of this account")
	}
	return u.Scheme + "://" + u.Host, u.RequestURI(), nil
}

// fetchBill downloads, unpacks, reads and hashes in one pass. WeChat does not sign the file.
func (c *Client) fetchBill(ctx context.Context, host, path, hash string, r sdk.BillRequest, emit func(sdk.BillItem) error) error {
	ctx, cancel := context.WithTimeout(ctx, billTime)
	defer cancel()
	fail := &Error{Op: OpBill, Number: r.Date, Kind: NotSent}
	res, err := c.exchange(ctx, []string{host}, request{method: http.MethodGet, path: path}, "", nil, fail)
	if err != nil {
		return fmt.Errorf("download: %w", withoutURL(fail.cause))
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("download: HTTP %d", res.StatusCode)
	}
	file, err := unpacked(res.Body)
	if err != nil {
		return err
	}
	sum := sha1.New() //nolint:gosec // see the import
	bounded := &io.LimitedReader{R: file, N: largestBill + 1}
	whole := io.TeeReader(bounded, sum)
	stopped := false
	wrong := billReaders[r.Kind].read(whole, func(item sdk.BillItem) error {
		err := emit(item)
		stopped = err != nil
		return err
	})
	if stopped {
		return wrong
	}
	// Also what could not be read is read to its end: that the file is broken says more than where.
	_, err = io.Copy(io.Discard, whole)
	switch {
	case err != nil:
		return fmt.Errorf("download: %w", err)
	case bounded.N <= 0:
		return fmt.Errorf("it is longer than %d bytes", int64(largestBill))
	case !strings.EqualFold(hex.EncodeToString(sum.Sum(nil)), hash):
		return errors.New("its hash is not the one that WeChat signed: the file is broken, or not WeChat's")
	}
	return wrong
}

// unpacked reads a file that may be packed: the hash is of what is inside.
func unpacked(in io.Reader) (io.Reader, error) {
	file := bufio.NewReader(in)
	if magic, _ := file.Peek(2); string(magic) != "\x1f\x8b" {
		return file, nil
	}
	inside, err := gzip.NewReader(file)
	if err != nil {
		return nil, fmt.Errorf("unpack: %w", err)
	}
	return inside, nil
}

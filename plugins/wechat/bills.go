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
	billTime = 10 * time.Minute
	// billStall is how long WeChat may keep silent within a download.
	billStall = 20 * time.Second
	// largestBill bounds an unpacked statement in bytes: some ten million lines.
	largestBill = 4 << 30
)

// DownloadBill streams one day's statement. Lines are emitted as they come; that they are WeChat's is known at the end,
// when the file's hash was compared with the one in WeChat's signed answer. Its totals are emitted only then, and only
// Accepted makes a statement of what was emitted. A day without business is REJECTED NOT_FOUND, one that is not ready
// UNAVAILABLE.
func (c *Client) DownloadBill(ctx context.Context, r sdk.BillRequest, emit func(sdk.BillItem) error) sdk.Result {
	path, err := billPath(r)
	if err != nil {
		return sdk.Rejected(sdk.InvalidRequest, "", "not sent: "+err.Error())
	}
	var made billFile
	answer, err := c.do(ctx, request{op: OpBill, number: r.Date, method: http.MethodGet, path: path}, &made)
	if err != nil {
		return Failed(answer, err)
	}
	ctx, cancel := context.WithTimeout(ctx, billTime)
	defer cancel()
	totals, err := c.readBill(ctx, made, r, emit)
	if err == nil {
		err = emit(totals)
	}
	if err != nil {
		return Failed(answer, fmt.Errorf("%s %s: %w", OpBill, r.Date, err))
	}
	return Taken(answer)
}

// billFile is WeChat's signed answer to the question for a statement.
type billFile struct {
	HashType    string `json:"hash_type"`
	HashValue   string `json:"hash_value"` // of the unpacked file
	DownloadURL string `json:"download_url"`
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

// readBill downloads, unpacks, reads and hashes in one pass. WeChat does not sign the file.
func (c *Client) readBill(ctx context.Context, made billFile, r sdk.BillRequest, emit func(sdk.BillItem) error) (sdk.BillTotals, error) {
	if !strings.EqualFold(made.HashType, "SHA1") {
		return sdk.BillTotals{}, fmt.Errorf("its hash is of a kind that is not known: %.16q", made.HashType)
	}
	host, path, err := c.ofHost(made.DownloadURL)
	if err != nil {
		return sdk.BillTotals{}, err
	}
	ctx, giveUp := context.WithCancelCause(ctx)
	defer giveUp(nil)
	fail := &Error{Op: OpBill, Number: r.Date, Kind: NotSent}
	silence := time.AfterFunc(billStall, func() { giveUp(errStalled) })
	defer silence.Stop()
	res, err := c.exchange(ctx, []string{host}, request{method: http.MethodGet, path: path}, "", nil, fail)
	if err != nil {
		return sdk.BillTotals{}, broken(ctx, fail.cause)
	}
	defer func() { _ = res.Body.Close() }()
	if res.StatusCode != http.StatusOK {
		return sdk.BillTotals{}, fmt.Errorf("download: HTTP %d", res.StatusCode)
	}
	file, err := unpacked(&patient{res.Body, silence})
	if err != nil {
		return sdk.BillTotals{}, broken(ctx, err)
	}
	sum := sha1.New() //nolint:gosec // see the import
	bounded := &io.LimitedReader{R: file, N: largestBill + 1}
	whole := io.TeeReader(bounded, sum)
	var stopped error
	totals, wrong := billReaders[r.Kind].read(whole, func(item sdk.BillItem) error {
		stopped = emit(item)
		return stopped
	})
	if stopped != nil {
		return sdk.BillTotals{}, stopped
	}
	// Also what could not be read is read to its end: that the file is broken says more than where.
	_, err = io.Copy(io.Discard, whole)
	switch {
	case err != nil:
		return sdk.BillTotals{}, broken(ctx, err)
	case bounded.N <= 0:
		return sdk.BillTotals{}, fmt.Errorf("it is longer than %d bytes", int64(largestBill))
	case !strings.EqualFold(hex.EncodeToString(sum.Sum(nil)), made.HashValue):
		return sdk.BillTotals{}, errors.New("its hash is not the one that WeChat signed: the file is broken, or not WeChat's")
	}
	return totals, wrong
}

var errStalled = fmt.Errorf("WeChat kept silent for %s", billStall)

// broken is a download that did not come to its end.
func broken(ctx context.Context, err error) error {
	if cause := context.Cause(ctx); cause != nil {
		err = cause
	}
	return fmt.Errorf("download: %w", withoutURL(err))
}

// patient counts WeChat's silence only while it is read: who takes the lines may take their time.
type patient struct {
	file    io.Reader
	silence *time.Timer
}

func (p *patient) Read(into []byte) (int, error) {
	p.silence.Reset(billStall)
	defer p.silence.Stop()
	return p.file.Read(into)
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

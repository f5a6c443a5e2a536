package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/paybridge/paybridge/ports"
)

// Format is what the operator's webhook takes.
type Format string

// The formats.
const (
	JSON     Format = "json"
	WeCom    Format = "wecom"    // a group robot of WeCom (企业微信群机器人)
	DingTalk Format = "dingtalk" // a group robot of DingTalk (钉钉群机器人)
)

// Operator is where alarms go.
type Operator struct {
	URL    string // a reference: a robot's URL is its key
	Format Format
	// Secret is a reference, empty without one. JSON is signed with it as events are, DingTalk as DingTalk wants it;
	// WeCom knows none.
	Secret string
}

// SendAlarm tells the operator (ports.EventSink).
func (s *Sink) SendAlarm(ctx context.Context, a ports.AlarmRow) error {
	if s.Operator == nil {
		return ports.ErrNoOperator
	}
	to, err := s.Secret(s.Operator.URL)
	if err != nil {
		return fmt.Errorf("the operator's webhook: %w", err)
	}
	switch s.Operator.Format {
	case WeCom:
		return s.toRobot(ctx, to, robotText(a, wecomLimit))
	case DingTalk:
		if to, err = s.signedByDingTalk(to); err != nil {
			return err
		}
		return s.toRobot(ctx, to, robotText(a, dingtalkLimit))
	}
	body := alarmJSON(a)
	var header http.Header
	if s.Operator.Secret != "" {
		m := ports.EventMessage{ID: "alarm_" + strconv.FormatInt(a.ID, 10), At: s.Now(), Body: body}
		if header, err = s.sign([]string{s.Operator.Secret}, m); err != nil {
			return err
		}
	}
	_, err = s.post(ctx, to, header, body)
	return err
}

func alarmJSON(a ports.AlarmRow) []byte {
	english, chinese := a.Words()
	type words struct {
		Title  string `json:"title"`
		Remedy string `json:"remedy"`
	}
	return asJSON(struct {
		Type     string    `json:"type"`
		ID       int64     `json:"id"`
		Kind     string    `json:"kind"`
		Number   string    `json:"number"`
		What     string    `json:"what"`
		English  words     `json:"en"`
		Chinese  words     `json:"zh"`
		RaisedAt time.Time `json:"raised_at"`
	}{"alarm", a.ID, a.Kind, a.Number, a.What, words(english), words(chinese), a.RaisedAt.UTC()})
}

// The longest text that a robot takes, in bytes of UTF-8.
const (
	wecomLimit    = 2048
	dingtalkLimit = 16 << 10
)

type robotMessage struct {
	Type string `json:"msgtype"`
	Text struct {
		Content string `json:"content"`
	} `json:"text"`
}

// robotText is a message to a group. The word PayBridge is in each, for robots that want a keyword. What is long is the
// middle, so that it is what is cut.
func robotText(a ports.AlarmRow, limit int) robotMessage {
	english, chinese := a.Words()
	head := fmt.Sprintf("【PayBridge 告警 #%d】%s\n%s\n%s %s\n", a.ID, chinese.Title, english.Title, a.Kind, a.Number)
	tail := fmt.Sprintf("\n处理：%s\nWhat to do: %s\n%s", chinese.Remedy, english.Remedy, a.RaisedAt.UTC().Format(time.RFC3339))
	m := robotMessage{Type: "text"}
	m.Text.Content = cut(head+cut(a.What, max(0, limit-len(head)-len(tail)))+tail, limit)
	return m
}

// cut shortens a text to so many bytes, at the end of a character.
func cut(text string, limit int) string {
	if len(text) <= limit {
		return text
	}
	const more = "…"
	end := max(0, limit-len(more))
	for end > 0 && !utf8.RuneStart(text[end]) {
		end--
	}
	if limit < len(more) {
		return ""
	}
	return text[:end] + more
}

// signedByDingTalk adds the time and the signature that a robot with a secret wants.
func (s *Sink) signedByDingTalk(to string) (string, error) {
	if s.Operator.Secret == "" {
		return to, nil
	}
	secret, err := s.Secret(s.Operator.Secret)
	if err != nil {
		return "", fmt.Errorf("the secret of the operator's webhook: %w", err)
	}
	at := strconv.FormatInt(s.Now().UnixMilli(), 10)
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(at + "\n" + secret))
	joint := "?"
	if strings.Contains(to, "?") {
		joint = "&"
	}
	return to + joint + url.Values{"timestamp": {at}, "sign": {base64.StdEncoding.EncodeToString(mac.Sum(nil))}}.Encode(), nil
}

// toRobot posts a message to a robot, whose refusals come with status 200 too.
func (s *Sink) toRobot(ctx context.Context, to string, m robotMessage) error {
	text, err := s.post(ctx, to, nil, asJSON(m))
	if err != nil {
		return err
	}
	var said struct {
		Code    *int   `json:"errcode"`
		Message string `json:"errmsg"`
	}
	if err := json.Unmarshal(text, &said); err != nil || said.Code == nil {
		return errors.New("it answered what no robot answers: is the URL a robot's?")
	}
	if *said.Code != 0 {
		return fmt.Errorf("the robot refused it: errcode %d, %s", *said.Code, cut(said.Message, 200))
	}
	return nil
}

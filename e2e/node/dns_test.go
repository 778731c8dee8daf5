package main

import (
	"encoding/binary"
	"errors"
	"net"
	"testing"
)

// question is a query for one name.
func question(kind uint16, labels ...string) []byte {
	q := []byte{0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0}
	for _, label := range labels {
		q = append(append(q, byte(len(label))), label...)
	}
	q = binary.BigEndian.AppendUint16(append(q, 0), kind)
	return binary.BigEndian.AppendUint16(q, dnsClassIN)
}

func TestAnswerDNS(t *testing.T) {
	resolve := func(name string) ([]net.IP, error) {
		switch name {
		case "web.t.svc.cluster.local":
			return []net.IP{net.IPv4(10, 96, 1, 2), net.IPv4(10, 96, 1, 3)}, nil
		case "down.t.svc.cluster.local":
			return nil, errors.New("the API server is down")
		}
		return nil, errNoName
	}
	for _, c := range []struct {
		label         string
		query         []byte
		code, answers byte
	}{
		{"a service, in any case", question(dnsTypeA, "WEB", "t", "svc", "cluster", "local"), dnsOK, 2},
		{"no such record", question(28, "web", "t", "svc", "cluster", "local"), dnsOK, 0},
		{"no such name", question(dnsTypeA, "example", "com"), dnsNoName, 0},
		{"cannot tell", question(dnsTypeA, "down", "t", "svc", "cluster", "local"), dnsFailed, 0},
		{"a label beyond the end", append(question(dnsTypeA)[:12], 40, 'x'), dnsMalformed, 0},
		{"nothing behind the name", append(question(dnsTypeA)[:12], 0), dnsMalformed, 0},
	} {
		reply := answerDNS(c.query, resolve)
		if reply[3]&0x0f != c.code || reply[7] != c.answers {
			t.Errorf("%s: code %d with %d answers, not %d with %d", c.label, reply[3]&0x0f, reply[7], c.code, c.answers)
		}
		if reply[0] != 0x12 || reply[1] != 0x34 || reply[2]&0x80 == 0 {
			t.Errorf("%s: this is no reply to the query", c.label)
		}
	}
	reply := answerDNS(question(dnsTypeA, "web", "t", "svc", "cluster", "local"), resolve)
	if got := net.IP(reply[len(reply)-4:]).String(); got != "10.96.1.3" {
		t.Errorf("the last address is %s", got)
	}
	for _, noQuery := range [][]byte{nil, make([]byte, 11), reply} {
		if answerDNS(noQuery, resolve) != nil {
			t.Errorf("answered %v, which is no query", noQuery)
		}
	}
}

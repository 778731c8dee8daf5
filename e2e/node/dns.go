package main

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"time"
)

// The node answers names of Services by itself: for each question it asks the API server, so an answer is never old.
// It knows NAME.NAMESPACE.svc.cluster.local with its cluster address, or with the pods' addresses for a headless
// Service, and POD.NAME.NAMESPACE.svc.cluster.local for pods with a host name. Names elsewhere do not exist:
// nothing leads out of the node.

const (
	dnsTypeA     = 1
	dnsClassIN   = 1
	dnsOK        = 0
	dnsMalformed = 1
	dnsFailed    = 2
	dnsNoName    = 3
	dnsTTL       = 2 // seconds
)

// serveDNS answers on the node's address, over UDP and TCP.
func serveDNS(a *api) error {
	packets, err := net.ListenPacket("udp", nodeAddress+":53")
	if err != nil {
		return err
	}
	streams, err := net.Listen("tcp", nodeAddress+":53")
	if err != nil {
		return err
	}
	go func() {
		for {
			buffer := make([]byte, 1500)
			n, from, err := packets.ReadFrom(buffer)
			if err != nil {
				return
			}
			go func() {
				if reply := answerDNS(buffer[:n], a.addresses); reply != nil {
					packets.WriteTo(reply, from)
				}
			}()
		}
	}()
	go func() {
		for {
			conn, err := streams.Accept()
			if err != nil {
				return
			}
			go serveDNSStream(conn, a.addresses)
		}
	}()
	return nil
}

// serveDNSStream answers questions that come with their length in front.
func serveDNSStream(conn net.Conn, resolve func(string) ([]net.IP, error)) {
	defer conn.Close()
	for {
		conn.SetDeadline(time.Now().Add(10 * time.Second))
		var length [2]byte
		if _, err := io.ReadFull(conn, length[:]); err != nil {
			return
		}
		query := make([]byte, binary.BigEndian.Uint16(length[:]))
		if _, err := io.ReadFull(conn, query); err != nil {
			return
		}
		reply := answerDNS(query, resolve)
		if reply == nil {
			return
		}
		if _, err := conn.Write(append(binary.BigEndian.AppendUint16(nil, uint16(len(reply))), reply...)); err != nil {
			return
		}
	}
}

var errNoName = errors.New("no such name")

// answerDNS makes the reply to one query; nil for what is no query at all.
func answerDNS(query []byte, resolve func(name string) ([]net.IP, error)) []byte {
	if len(query) < 12 || query[2]&0x80 != 0 {
		return nil
	}
	name, end, err := parseQuestion(query)
	if err != nil {
		return dnsHeader(query, nil, dnsMalformed, 0)
	}
	question := query[12:end]
	kind, class := binary.BigEndian.Uint16(query[end-4:]), binary.BigEndian.Uint16(query[end-2:])
	addresses, err := resolve(name)
	switch {
	case errors.Is(err, errNoName):
		return dnsHeader(query, question, dnsNoName, 0)
	case err != nil:
		return dnsHeader(query, question, dnsFailed, 0)
	case kind != dnsTypeA || class != dnsClassIN:
		return dnsHeader(query, question, dnsOK, 0) // the name is there, without such a record
	}
	addresses = addresses[:min(len(addresses), 24)] // what fits into 512 bytes, with the longest names
	reply := dnsHeader(query, question, dnsOK, len(addresses))
	for _, address := range addresses {
		reply = binary.BigEndian.AppendUint16(reply, 0xc00c) // the question's name
		reply = binary.BigEndian.AppendUint16(reply, dnsTypeA)
		reply = binary.BigEndian.AppendUint16(reply, dnsClassIN)
		reply = binary.BigEndian.AppendUint32(reply, dnsTTL)
		reply = binary.BigEndian.AppendUint16(reply, 4)
		reply = append(reply, address.To4()...)
	}
	return reply
}

// dnsHeader starts a reply: an authoritative one, from a server that also pretends to recurse.
func dnsHeader(query, question []byte, code byte, answers int) []byte {
	reply := []byte{query[0], query[1], 0x84 | query[2]&0x01, 0x80 | code, 0, 0, 0, byte(answers), 0, 0, 0, 0}
	if question != nil {
		reply[5] = 1
	}
	return append(reply, question...)
}

// parseQuestion reads the only question of a query; end is the index behind it.
func parseQuestion(query []byte) (name string, end int, err error) {
	malformed := errors.New("malformed question")
	if binary.BigEndian.Uint16(query[4:]) != 1 {
		return "", 0, malformed
	}
	var labels []string
	for at := 12; at < len(query); {
		length := int(query[at])
		at++
		if length == 0 {
			if at+4 > len(query) {
				break
			}
			return strings.ToLower(strings.Join(labels, ".")), at + 4, nil
		}
		if length > 63 || at+length > len(query) || at > 12+255 {
			break
		}
		labels = append(labels, string(query[at:at+length]))
		at += length
	}
	return "", 0, malformed
}

// addresses looks a name up in the cluster.
func (a *api) addresses(name string) ([]net.IP, error) {
	inside, found := strings.CutSuffix(name, ".svc."+clusterDomain)
	labels := strings.Split(inside, ".")
	if !found || len(labels) < 2 || len(labels) > 3 || !plainLabels(labels) {
		return nil, errNoName
	}
	namespace, service := labels[len(labels)-1], labels[len(labels)-2]
	pod := ""
	if len(labels) == 3 {
		pod = labels[0]
	}
	var s struct{ Spec struct{ ClusterIP string } }
	err := a.get(fmt.Sprintf("/api/v1/namespaces/%s/services/%s", namespace, service), &s)
	if isStatus(err, http.StatusNotFound) {
		return nil, errNoName
	}
	if err != nil {
		return nil, err
	}
	if ip := net.ParseIP(s.Spec.ClusterIP).To4(); ip != nil && pod == "" {
		return []net.IP{ip}, nil
	}
	return a.endpoints(namespace, service, pod)
}

// endpoints are the addresses of a Service's pods that are ready, or of the one with this host name.
func (a *api) endpoints(namespace, service, pod string) ([]net.IP, error) {
	var slices struct {
		Items []struct {
			Endpoints []struct {
				Addresses  []string
				Hostname   string
				Conditions struct{ Ready *bool }
			}
		}
	}
	path := "/apis/discovery.k8s.io/v1/namespaces/%s/endpointslices?labelSelector=kubernetes.io%%2Fservice-name%%3D%s"
	if err := a.get(fmt.Sprintf(path, namespace, service), &slices); err != nil {
		return nil, err
	}
	var addresses []net.IP
	for _, slice := range slices.Items {
		for _, e := range slice.Endpoints {
			ready := e.Conditions.Ready == nil || *e.Conditions.Ready
			if !ready || pod != "" && e.Hostname != pod {
				continue
			}
			for _, text := range e.Addresses {
				if ip := net.ParseIP(text).To4(); ip != nil {
					addresses = append(addresses, ip)
				}
			}
		}
	}
	if len(addresses) == 0 {
		return nil, errNoName
	}
	return addresses, nil
}

// plainLabels tells whether the labels can be names of objects; they become parts of a path.
func plainLabels(labels []string) bool {
	for _, label := range labels {
		if label == "" || strings.Trim(label, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return true
}

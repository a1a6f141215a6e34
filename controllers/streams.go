// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package controllers

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metainternalversionscheme "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utilnet "k8s.io/apimachinery/pkg/util/net"
	"k8s.io/apimachinery/pkg/watch"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// A watch is at rest nearly all its life, and there are three for each EdgeRegistry. So what one costs at rest is what
// the operator costs. A watcher of client-go keeps a goroutine and buffers for itself beside the reader's goroutine, and
// both have stacks that have grown by what they did. Here one goroutine reads a stream, keeps no buffer, and has what
// needs a deep stack done apart.

// watcher watches the objects of a list's kind, and returns the events as the API server writes them, with the metadata
// of the objects alone.
type watcher func(ctx context.Context, kind schema.GroupVersionKind, options ...client.ListOption) (io.ReadCloser, error)

// metadataOnly asks for the metadata of objects, in protobuf where it is spoken: a stream keeps the buffer that its first
// frame took, and in JSON that is twice as long.
const metadataOnly = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1," +
	"application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

func newWatcher(api rest.Interface, mapper meta.RESTMapper) watcher {
	return func(ctx context.Context, kind schema.GroupVersionKind, options ...client.ListOption) (io.ReadCloser, error) {
		mapping, err := mapper.RESTMapping(schema.GroupKind{Group: kind.Group, Kind: strings.TrimSuffix(kind.Kind, "List")}, kind.Version)
		if err != nil {
			return nil, err
		}
		o := client.ListOptions{}
		o.ApplyOptions(options)
		o.Raw.Watch = true
		path := []string{"/apis", kind.Group, kind.Version}
		if kind.Group == "" {
			path = []string{"/api", kind.Version}
		}
		return api.Get().AbsPath(path...).NamespaceIfScoped(o.Namespace, o.Namespace != "").Resource(mapping.Resource.Resource).
			SpecificallyVersionedParams(o.AsListOptions(), clientgoscheme.ParameterCodec, kind.GroupVersion()).
			SetHeader("Accept", metadataOnly).
			Stream(ctx)
	}
}

// apart does something on a stack of its own, and returns when it is done. A stack that has grown does not shrink to
// the least again, so whoever waits nearly all the time had better do nothing else.
func apart(do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	<-done
}

// drain reads a watch to its end and returns where the next one may go on. An error means that
// events may have been missed.
func drain(events io.ReadCloser, resourceVersion string, changed func(metav1.Object)) (string, error) {
	defer func() { _ = events.Close() }()
	for {
		// To read nothing is to wait until there is something to read. Where it does not wait, the next read does.
		_, err := events.Read(nil)
		if err == nil {
			apart(func() { resourceVersion, err = read(events, resourceVersion, changed) })
		}
		if isEnd(err) {
			return resourceVersion, nil
		}
		if err != nil {
			return "", err
		}
	}
}

// isEnd reports what client-go, too, takes for the ordinary end of a watch, after which the next one goes on.
func isEnd(err error) bool {
	return utilnet.IsProbableEOF(err) || utilnet.IsTimeout(err)
}

// read tells of the next event and returns its resource version. In protobuf each event comes after its length, of
// which the first byte is 0 below 16 MB. A server that writes JSON instead writes something else there, and is read to
// its end.
func read(events io.Reader, resourceVersion string, changed func(metav1.Object)) (string, error) {
	head := make([]byte, 4)
	if _, err := io.ReadFull(events, head); err != nil {
		return resourceVersion, err
	}
	event := &metav1.WatchEvent{}
	if head[0] == 0 {
		frame := make([]byte, binary.BigEndian.Uint32(head))
		if _, err := io.ReadFull(events, frame); err != nil {
			return resourceVersion, err
		}
		if err := event.Unmarshal(frame); err != nil {
			return "", fmt.Errorf("read an event: %w", err)
		}
		return tell(event, changed)
	}
	for decoder := json.NewDecoder(io.MultiReader(bytes.NewReader(head), events)); ; {
		err := decoder.Decode(event)
		if err != nil {
			return resourceVersion, err
		}
		if resourceVersion, err = tell(event, changed); err != nil {
			return "", err
		}
	}
}

// tell tells of an event, unless it is a bookmark, and returns its resource version.
func tell(event *metav1.WatchEvent, changed func(metav1.Object)) (string, error) {
	content, err := runtime.Decode(metadataDecoder, event.Object.Raw)
	if err != nil {
		return "", fmt.Errorf("read an event: %w", err)
	}
	object, err := meta.Accessor(content)
	if err != nil || event.Type == string(watch.Error) {
		return "", apierrors.FromObject(content)
	}
	if event.Type == string(watch.Modified) || (event.Type != string(watch.Bookmark) && !isNewAnchor(object)) {
		changed(object)
	}
	return object.GetResourceVersion(), nil
}

// metadataDecoder knows the metadata of objects and the errors of watches, in protobuf and in JSON.
var metadataDecoder = metainternalversionscheme.Codecs.UniversalDeserializer()

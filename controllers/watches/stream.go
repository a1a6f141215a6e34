// Copyright The Edge Registry Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package watches

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

	"github.com/edge-registry/edge-registry-operator/controllers/apiserver"
)

// A watch is idle nearly all the time, and there are three for each EdgeRegistry. So their cost at rest is that of the operator. A
// watcher of client-go keeps a goroutine and buffers of its own beside the reader's goroutine, and both have stacks that have
// grown. Here one goroutine reads a stream, keeps no buffer, and
// does what needs a deep stack on another one.

// Opener watches the objects of a list's kind, and returns the events as the API server writes them, with the metadata
// of the objects alone.
type Opener func(ctx context.Context, kind schema.GroupVersionKind, options ...client.ListOption) (io.ReadCloser, error)

// metadataOnly asks for the metadata of objects, in protobuf where it is spoken: a stream keeps the buffer that its first
// frame took, and in JSON that is twice as long.
const metadataOnly = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1," +
	"application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1"

// NewOpener returns an Opener that asks an API server.
func NewOpener(api rest.Interface, mapper meta.RESTMapper) Opener {
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
			Stream(apiserver.Bare(ctx))
	}
}

// onNewStack calls a function on the stack of a new goroutine, and returns when it has returned. A stack that has grown does
// not shrink to its least size again, so a goroutine that mostly waits should do nothing else.
func onNewStack(do func()) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		do()
	}()
	<-done
}

// drain reads the open watch to its end, and sets the version from which the next one may resume. An error means that events may
// have been missed.
func (f *followed) drain(isNews func(metav1.Object) bool) error {
	heard := func(event *metav1.WatchEvent) (string, error) { return hear(event, isNews, f.changed) }
	for {
		// To read nothing is to wait until there is something to read. Where it does not wait, the next read does.
		_, err := f.events.Read(nil)
		if err == nil {
			onNewStack(func() { f.version, err = read(f.events, f.version, heard) })
		}
		if err == nil {
			continue
		}
		onNewStack(func() { _ = f.events.Close() })
		if isEnd(err) {
			return nil
		}
		return err
	}
}

// isEnd reports whether an error is the ordinary end of a watch, after which the next one resumes. client-go uses the same rule.
func isEnd(err error) bool {
	return utilnet.IsProbableEOF(err) || utilnet.IsTimeout(err)
}

// read hears the next event and returns its resource version. In protobuf each event comes after its length, of
// which the first byte is 0 below 16 MB. A server that writes JSON instead writes something else there, and is read to
// its end.
func read(events io.Reader, resourceVersion string, heard func(*metav1.WatchEvent) (string, error)) (string, error) {
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
		return heard(event)
	}
	for decoder := json.NewDecoder(io.MultiReader(bytes.NewReader(head), events)); ; {
		err := decoder.Decode(event)
		if err != nil {
			return resourceVersion, err
		}
		if resourceVersion, err = heard(event); err != nil {
			return "", err
		}
	}
}

// hear reports an event, unless it is a bookmark or filtered by isNews, and returns its resource version. A modification is always
// reported.
func hear(event *metav1.WatchEvent, isNews func(metav1.Object) bool, changed func(metav1.Object)) (string, error) {
	content, err := runtime.Decode(metadataDecoder, event.Object.Raw)
	if err != nil {
		return "", fmt.Errorf("read an event: %w", err)
	}
	object, err := meta.Accessor(content)
	if err != nil || event.Type == string(watch.Error) {
		return "", apierrors.FromObject(content)
	}
	if event.Type == string(watch.Modified) || (event.Type != string(watch.Bookmark) && isNews(object)) {
		changed(object)
	}
	return object.GetResourceVersion(), nil
}

// metadataDecoder knows the metadata of objects and the errors of watches, in protobuf and in JSON.
var metadataDecoder = metainternalversionscheme.Codecs.UniversalDeserializer()

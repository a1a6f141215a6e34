# The builder runs on the machine's own architecture and cross-compiles: the manager is pure Go.
# Its digest could not be looked up where this was written: there was no way to its registry. `make pin-images` sets it.
# By tag: docker.io/library/golang:1.26
FROM --platform=$BUILDPLATFORM docker.io/library/golang:1.26 AS builder
ARG TARGETOS=linux
ARG TARGETARCH
ARG VERSION=dev
WORKDIR /src

# The modules change less often than the code, so they get a layer of their own.
COPY go.mod go.sum ./
RUN go mod download

COPY main.go ./
COPY api api
COPY controllers controllers
COPY internal internal
RUN CGO_ENABLED=0 GOOS=$TARGETOS GOARCH=$TARGETARCH \
    go build -trimpath -buildvcs=false -ldflags "-s -w -buildid= -X main.version=$VERSION" -o /manager .

# Nothing but the program, the system's root certificates and time zones. Where Red Hat's base is required, use
# registry.access.redhat.com/ubi9/ubi-micro and copy /etc/pki/ca-trust from ubi9/ubi, because ubi-micro has no roots.
# The same holds for this one, which is the base of what ships: pin it, and renew it when its certificates or time zones are.
# By tag: gcr.io/distroless/static:nonroot
FROM gcr.io/distroless/static:nonroot
COPY --from=builder /manager /manager
# OpenShift runs it under a user of the namespace's range instead.
USER 65532:65532
ENTRYPOINT ["/manager"]

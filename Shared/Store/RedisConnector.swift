import NIOCore
import NIOPosix
private import NIOSSL

/// Opens connections to one Redis, up to the point where it takes commands.
struct RedisConnector: Sendable {
    let url: RedisURL
    let loop: any EventLoop
    /// Where messages of subscriptions go; nil on a connection for commands.
    let publish: (@Sendable (RedisNews) -> Void)?

    /// A handshake that takes longer is tried anew.
    static let patience = TimeAmount.seconds(2)

    /// Connects, signs in and chooses the database.
    func connect() async throws -> any Channel {
        let security = try url.tls.map { try NIOSSLContext(configuration: configuration(of: $0)) }
        let publish = publish
        let hostname: String? = if case .tcp(let host, _) = url.place, !host.isAddress { host } else { nil }
        let bootstrap = ClientBootstrap(group: loop)
            .connectTimeout(Self.patience)
            .channelInitializer { channel in
                channel.eventLoop.makeCompletedFuture {
                    if let security {
                        let handler = try NIOSSLClientHandler(context: security, serverHostname: hostname)
                        try channel.pipeline.syncOperations.addHandler(handler)
                    }
                    guard let handler = RedisChannelHandler(publish: publish) else {
                        throw StoreError.unavailable(reason: "out of memory")
                    }
                    try channel.pipeline.syncOperations.addHandler(handler)
                }
            }
        let channel: any Channel =
            switch url.place {
            case .unix(let path): try await bootstrap.connect(unixDomainSocketPath: path).get()
            case .tcp(let host, let port): try await bootstrap.connect(host: host, port: port).get()
            }
        do {
            try await signIn(channel)
        } catch {
            channel.close(promise: nil)
            throw error
        }
        return channel
    }

    private func signIn(_ channel: any Channel) async throws {
        if let password = url.password {
            let login: [RedisArgument] = url.user.map { [RedisArgument($0)] } ?? []
            try await send(["AUTH"] + login + [RedisArgument(password)], on: channel)
        }
        if url.database != 0 { try await send(["SELECT", RedisArgument(url.database)], on: channel) }
        // Refused while Redis still loads its data, so that we wait for that here and not in every call.
        try await send(["GET", "roost:ready"], on: channel)
    }

    private func send(_ words: [RedisArgument], on channel: any Channel) async throws {
        let promise = channel.eventLoop.makePromise(of: RedisValue.self)
        let call = RedisCall(words: words, promise: promise)
        channel.writeAndFlush(call).whenFailure { promise.fail($0) }
        let timer = channel.eventLoop.scheduleTask(in: Self.patience) { call.fail(.timedOut) }
        defer { timer.cancel() }
        _ = try await promise.futureResult.get()
    }

    private func configuration(of tls: RedisURL.TLS) throws -> TLSConfiguration {
        var configuration = TLSConfiguration.makeClientConfiguration()
        configuration.minimumTLSVersion = .tlsv12
        if let path = tls.authorities { configuration.trustRoots = .file(path) }
        if let path = tls.certificate {
            configuration.certificateChain = try NIOSSLCertificate.fromPEMFile(path).map { .certificate($0) }
        }
        if let path = tls.privateKey {
            configuration.privateKey = .privateKey(try NIOSSLPrivateKey(file: path, format: .pem))
        }
        // Without a name there is nothing to compare with; the chain is still verified.
        if case .tcp(let host, _) = url.place, host.isAddress {
            configuration.certificateVerification = .noHostnameVerification
        }
        return configuration
    }
}

extension String {
    fileprivate var isAddress: Bool { (try? SocketAddress(ipAddress: self, port: 0)) != nil }
}

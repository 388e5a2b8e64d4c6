import SwiftProtobufPluginLibrary

/// The Swift text of one `.proto` file's services.
struct FileWriter {
    let file: FileDescriptor
    private let namer: SwiftProtobufNamer

    init(file: FileDescriptor) {
        self.file = file
        namer = SwiftProtobufNamer(
            currentFile: file, protoFileToModuleMappings: ProtoFileToModuleMappings())
    }

    func text() -> String {
        var out = """
            // Made by protoc-gen-roost from \(file.name); `make generate` makes it anew.
            // swift-format-ignore-file

            public import Bus

            """
        for service in file.services {
            out += "\n" + protocolText(service) + "\n" + clientText(service) + "\n" + routerText(service)
        }
        return out
    }

    private func prefix(_ service: ServiceDescriptor) -> String {
        // As SwiftProtobuf names messages: `roost.registry.v1` is `Roost_Registry_V1_`.
        file.package.split(separator: ".").map { $0.prefix(1).uppercased() + $0.dropFirst() + "_" }.joined()
            + service.name
    }

    private func lowerFirst(_ name: String) -> String { name.prefix(1).lowercased() + name.dropFirst() }

    private func path(_ service: ServiceDescriptor, _ method: MethodDescriptor) -> String {
        "\"/\(service.fullName)/\(method.name)\""
    }

    private func comment(_ text: String, _ indent: String, fallback: String) -> String {
        let lines = text.split(separator: "\n").map { $0.drop { $0 == " " } }
        return (lines.isEmpty ? [fallback[...]] : lines).map { "\(indent)/// \($0)\n" }.joined()
    }

    private func protocolText(_ service: ServiceDescriptor) -> String {
        var out = comment(
            service.protoSourceComments(commentPrefix: ""), "", fallback: "The service \(service.fullName).")
        out += "public protocol \(prefix(service))Service: Sendable {\n"
        for method in service.methods {
            let request = namer.fullName(message: method.inputType)
            let reply = namer.fullName(message: method.outputType)
            out += comment(method.protoSourceComments(commentPrefix: ""), "    ", fallback: "Answers `\(method.name)`.")
            let takes = method.clientStreaming ? "requests: BusReplies<\(request)>" : "request: \(request)"
            let writes = method.serverStreaming ? ", replies: BusWriter<\(reply)>" : ""
            let gives = method.serverStreaming ? "" : " -> \(reply)"
            out +=
                "    func \(lowerFirst(method.name))(_ \(takes)\(writes), context: CallContext) async throws\(gives)\n"
        }
        return out + "}\n"
    }

    private func clientText(_ service: ServiceDescriptor) -> String {
        var out = "/// Calls \(service.fullName).\npublic struct \(prefix(service))Client: Sendable {\n"
        out += "    /// Makes the calls.\n    public let caller: any BusCaller\n\n"
        out += "    /// A client on a connection, or on whatever else makes calls.\n"
        out += "    public init(caller: any BusCaller) { self.caller = caller }\n"
        for method in service.methods {
            let request = namer.fullName(message: method.inputType)
            let reply = namer.fullName(message: method.outputType)
            let name = lowerFirst(method.name)
            let path = path(service, method)
            out +=
                "\n"
                + comment(method.protoSourceComments(commentPrefix: ""), "    ", fallback: "Calls `\(method.name)`.")
            switch (method.clientStreaming, method.serverStreaming) {
            case (false, false):
                out +=
                    "    public func \(name)(_ request: \(request), options: CallOptions = .unary) async throws(BusStatus) -> \(reply) {\n"
                out += "        try await caller.unary(\(path), request, options: options)\n    }\n"
            case (false, true):
                out +=
                    "    public func \(name)(_ request: \(request), options: CallOptions = .streaming) async throws(BusStatus) -> BusReplies<\(reply)> {\n"
                out += "        try await caller.serverStreaming(\(path), request, options: options)\n    }\n"
            case (true, false):
                out +=
                    "    public func \(name)(options: CallOptions = .streaming, _ body: (BusWriter<\(request)>) async throws -> Void) async throws -> \(reply) {\n"
                out += "        try await caller.clientStreaming(\(path), options: options, body: body)\n    }\n"
            case (true, true):
                out +=
                    "    public func \(name)(options: CallOptions = .streaming) async throws(BusStatus) -> BusCall<\(request), \(reply)> {\n"
                out += "        try await caller.bidirectional(\(path), options: options)\n    }\n"
            }
        }
        return out + "}\n"
    }

    private func routerText(_ service: ServiceDescriptor) -> String {
        let label = lowerFirst(service.name)
        var out = "extension BusRouter {\n    /// Answers the calls of \(service.fullName).\n"
        out += "    public mutating func add(\(label) service: some \(prefix(service))Service) {\n"
        for method in service.methods {
            let name = lowerFirst(method.name)
            let path = path(service, method)
            switch (method.clientStreaming, method.serverStreaming) {
            case (false, false):
                out += "        unary(\(path)) { try await service.\(name)($0, context: $1) }\n"
            case (false, true):
                out += "        serverStreaming(\(path)) { try await service.\(name)($0, replies: $1, context: $2) }\n"
            case (true, false):
                out += "        clientStreaming(\(path)) { try await service.\(name)($0, context: $1) }\n"
            case (true, true):
                out += "        bidirectional(\(path)) { try await service.\(name)($0, replies: $1, context: $2) }\n"
            }
        }
        return out + "    }\n}\n"
    }
}

import Messages

/// Frames that are not numbered.
enum Answers {
    /// Servers in the form that `RTCPeerConnection` takes.
    static func iceServers(_ servers: [Roost_Registry_V1_IceServer], into writer: inout JSONWriter) {
        writer.array("iceServers", servers) { writer, server in
            writer.object { writer in
                writer.array("urls", server.urls) { $0.string($1) }
                if !server.username.isEmpty { writer.field("username", server.username) }
                if !server.credential.isEmpty { writer.field("credential", server.credential) }
            }
        }
    }

    static func ok(_ id: UInt64, _ fields: (inout JSONWriter) -> Void = { _ in }) -> [UInt8] {
        JSONWriter.object { writer in
            writer.field("type", "ok")
            writer.field("re", id)
            fields(&writer)
        }
    }

    static func error(_ id: UInt64?, _ error: RequestError) -> [UInt8] {
        JSONWriter.object { writer in
            writer.field("type", "error")
            if let id { writer.field("re", id) }
            writer.field("code", error.code.rawValue)
            writer.field("message", error.message)
            if let suggestion = error.suggestion { writer.field("suggestion", suggestion) }
        }
    }

    static func pong(_ id: UInt64) -> [UInt8] {
        JSONWriter.object { writer in
            writer.field("type", "pong")
            writer.field("re", id)
        }
    }

    static func bye(reason: String) -> [UInt8] {
        JSONWriter.object { writer in
            writer.field("type", "bye")
            writer.field("reason", reason)
        }
    }
}

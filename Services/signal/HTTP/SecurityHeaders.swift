/// What every answer says about what the page may do.
package enum SecurityHeaders {
    /// The headers for a host as the browser named it. `'self'` covers the WebSocket in current browsers; Safari before 15.4
    /// wants it named, so it is, where the host is one.
    package static func headers(host: String?) -> [(String, String)] {
        var connect = "'self'"
        if let host, isHost(host) { connect += " ws://\(host) wss://\(host)" }
        return [
            (
                "Content-Security-Policy",
                "default-src 'self'; connect-src \(connect); img-src 'self' blob: data:; media-src 'self' blob: mediastream:; "
                    + "object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
            ),
            ("X-Content-Type-Options", "nosniff"),
            ("X-Frame-Options", "DENY"),
            ("Referrer-Policy", "no-referrer"),
            (
                "Permissions-Policy",
                "camera=(self), microphone=(self), display-capture=(self), geolocation=(), payment=(), usb=()"
            ),
            ("Cross-Origin-Opener-Policy", "same-origin"),
            ("Cross-Origin-Resource-Policy", "same-origin"),
        ]
    }

    /// A page of another origin may not open our socket in a visitor's name (cookies or not, it would be their address).
    /// A client that names no origin is no browser.
    package static func allows(origin: String?, host: String?, alsoAllowed: [String]) -> Bool {
        guard let origin else { return true }
        if alsoAllowed.contains(origin) { return true }
        guard let host, let separator = origin.firstRange(of: "://") else { return false }
        let scheme = origin[..<separator.lowerBound]
        guard scheme == "https" || scheme == "http" else { return false }
        return origin[separator.upperBound...].lowercased() == host.lowercased()
    }

    private static func isHost(_ text: String) -> Bool {
        text.utf8.count <= 255
            && text.utf8.allSatisfy { byte in
                switch byte {
                case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
                    UInt8(ascii: "0")...UInt8(ascii: "9"), UInt8(ascii: "."), UInt8(ascii: "-"), UInt8(ascii: ":"),
                    UInt8(ascii: "["), UInt8(ascii: "]"):
                    true
                default: false
                }
            }
    }
}

/// What a description says about ICE and DTLS, at session level or in an m-line (RFC 8839, RFC 8842).
public struct TransportAttributes: Sendable, Equatable {
    /// `a=ice-ufrag` and `a=ice-pwd`; nil unless both are there.
    public var ice: ICECredentials?
    /// `a=ice-options`, in words.
    public var iceOptions: [String] = []
    /// `a=fingerprint` lines that can be read.
    public var fingerprints: [Fingerprint] = []
    /// `a=setup`.
    public var setup: Setup?

    /// Nothing said.
    public init() {}

    /// These values.
    public init(
        ice: ICECredentials? = nil, iceOptions: [String] = [], fingerprints: [Fingerprint] = [], setup: Setup? = nil
    ) {
        self.ice = ice
        self.iceOptions = iceOptions
        self.fingerprints = fingerprints
        self.setup = setup
    }

    func write(to text: inout String) {
        if let ice {
            text.line("a=ice-ufrag:", ice.ufrag)
            text.line("a=ice-pwd:", ice.password)
        }
        if !iceOptions.isEmpty { text.line("a=ice-options:", iceOptions.joined(separator: " ")) }
        for fingerprint in fingerprints { text.line("a=fingerprint:", fingerprint.text) }
        if let setup { text.line("a=setup:", setup.rawValue) }
    }
}

/// The short-term credentials of one ICE session (RFC 8839 §5.4).
public struct ICECredentials: Sendable, Hashable {
    /// 4 to 256 characters.
    public var ufrag: String
    /// 22 to 256 characters.
    public var password: String

    /// These credentials.
    public init(ufrag: String, password: String) {
        self.ufrag = ufrag
        self.password = password
    }

    /// Whether both have the lengths that RFC 8839 §5.4 demands.
    public var isWellFormed: Bool { 4...256 ~= ufrag.utf8.count && 22...256 ~= password.utf8.count }
}

/// The hash of the certificate that the peer will show (RFC 8122 §5).
public struct Fingerprint: Sendable, Hashable {
    /// The hash function in small letters: `sha-256`.
    public var hash: String
    /// The hash.
    public var bytes: [UInt8]

    /// This hash.
    public init(hash: String, bytes: [UInt8]) {
        self.hash = hash
        self.bytes = bytes
    }

    /// The value of an `a=fingerprint` attribute; nil if it cannot be read.
    public init?(parsing text: String) {
        self.init(parsing: Field(text.utf8.span))
    }

    init?(parsing field: borrowing Field) {
        var field = copy field
        hash = field.word().lowercased
        let digits = field.trimmed
        guard !hash.isEmpty, digits.bytes.count <= 64 * 3, (digits.bytes.count &+ 1).isMultiple(of: 3) else {
            return nil
        }
        var bytes: [UInt8] = []
        bytes.reserveCapacity((digits.bytes.count &+ 1) / 3)
        var index = 0
        while index < digits.bytes.count {
            guard let high = Self.digit(digits.bytes[index]), let low = Self.digit(digits.bytes[index &+ 1]) else {
                return nil
            }
            if index &+ 2 < digits.bytes.count, digits.bytes[index &+ 2] != Field.colon { return nil }
            bytes.append(high << 4 | low)
            index &+= 3
        }
        guard !bytes.isEmpty else { return nil }
        self.bytes = bytes
    }

    /// The value of an `a=fingerprint` attribute.
    public var text: String {
        var text = hash + " "
        let digits = Array("0123456789ABCDEF".utf8)
        for (index, byte) in bytes.enumerated() {
            if index > 0 { text += ":" }
            text.unicodeScalars.append(Unicode.Scalar(digits[Int(byte >> 4)]))
            text.unicodeScalars.append(Unicode.Scalar(digits[Int(byte & 15)]))
        }
        return text
    }

    /// Whether the hash is one that RFC 8122 §5 still allows to trust, at its right length.
    public var isStrong: Bool {
        switch hash {
        case "sha-256": bytes.count == 32
        case "sha-384": bytes.count == 48
        case "sha-512": bytes.count == 64
        default: false
        }
    }

    private static func digit(_ byte: UInt8) -> UInt8? {
        switch byte {
        case 0x30...0x39: byte &- 0x30
        case 0x41...0x46: byte &- 0x41 &+ 10
        case 0x61...0x66: byte &- 0x61 &+ 10
        default: nil
        }
    }
}

/// Who starts DTLS (RFC 8842 §5).
public enum Setup: String, Sendable {
    /// Either; only in offers.
    case actpass
    /// The one that writes this is the DTLS client.
    case active
    /// The one that writes this is the DTLS server.
    case passive
    /// Nobody for now.
    case holdconn
}

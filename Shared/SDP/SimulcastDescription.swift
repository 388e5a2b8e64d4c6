/// One `a=rid` (RFC 8851 §10).
public struct RIDDescription: Sendable, Equatable {
    /// Which way the layer goes, seen by who wrote it.
    public enum Direction: String, Sendable {
        /// To the peer.
        case send
        /// From the peer.
        case recv
    }

    /// Its name.
    public var id: String
    /// Its way.
    public var direction: Direction
    /// Restrictions, as they came: `pt=96;max-width=1280`.
    public var restrictions: String

    /// A layer.
    public init(id: String, direction: Direction, restrictions: String = "") {
        self.id = id
        self.direction = direction
        self.restrictions = restrictions
    }

    init?(parsing field: borrowing Field) {
        var field = copy field
        id = field.word().string
        guard !id.isEmpty, let direction = Direction(rawValue: field.word().string) else { return nil }
        self.direction = direction
        restrictions = field.trimmed.string
    }

    func write(to text: inout String) {
        if restrictions.isEmpty {
            text.line("a=rid:", id, " ", direction.rawValue)
        } else {
            text.line("a=rid:", id, " ", direction.rawValue, " " + restrictions)
        }
    }
}

/// `a=simulcast` (RFC 8853 §5.1): lists of layers, each with alternatives.
public struct SimulcastDescription: Sendable, Equatable {
    /// One alternative for a layer.
    public struct Layer: Sendable, Equatable {
        /// The name of an `a=rid`.
        public var rid: String
        /// `~`: not sent at first.
        public var isPaused: Bool

        /// A layer.
        public init(rid: String, isPaused: Bool = false) {
            self.rid = rid
            self.isPaused = isPaused
        }
    }

    /// What the writer wants to send.
    public var send: [[Layer]]
    /// What the writer wants to receive.
    public var recv: [[Layer]]

    /// These lists.
    public init(send: [[Layer]] = [], recv: [[Layer]] = []) {
        self.send = send
        self.recv = recv
    }

    init?(parsing field: borrowing Field) {
        var field = copy field
        self.init()
        while true {
            let direction = field.word().string
            guard !direction.isEmpty else { break }
            let layers = Self.layers(field.word())
            switch direction {
            case "send" where send.isEmpty: send = layers
            case "recv" where recv.isEmpty: recv = layers
            default: return nil
            }
        }
        if send.isEmpty, recv.isEmpty { return nil }
    }

    private static func layers(_ field: borrowing Field) -> [[Layer]] {
        var field = copy field
        var lists: [[Layer]] = []
        while !field.isEmpty, lists.count < SectionCaps.rids {
            var list = field.next(upTo: Field.semicolon)
            var alternatives: [Layer] = []
            while !list.isEmpty, alternatives.count < SectionCaps.rids {
                let rid = list.next(upTo: Field.comma)
                let isPaused = !rid.isEmpty && rid.bytes[0] == Field.tilde
                let name = (isPaused ? rid.dropping(1) : rid).string
                if !name.isEmpty { alternatives.append(Layer(rid: name, isPaused: isPaused)) }
            }
            if !alternatives.isEmpty { lists.append(alternatives) }
        }
        return lists
    }

    func write(to text: inout String) {
        text += "a=simulcast:"
        if !send.isEmpty { text += "send " + Self.text(send) }
        if !recv.isEmpty { text += (send.isEmpty ? "recv " : " recv ") + Self.text(recv) }
        text += "\r\n"
    }

    private static func text(_ lists: [[Layer]]) -> String {
        lists.map { $0.map { ($0.isPaused ? "~" : "") + $0.rid }.joined(separator: ",") }.joined(separator: ";")
    }
}

internal import Addresses
internal import Attachment
public import ServiceKit

/// The keys of a turn server beside the common ones.
public enum TurnKeys {
    /// Where STUN is answered.
    public static let listen: ConfigurationKey<[String]> = ConfigurationKey(
        "listen", "UDP addresses to answer STUN at, IPv6 in brackets.", placeholder: "ADDRESS:PORT,…",
        default: ["0.0.0.0:3478", "[::]:3478"], shown: "0.0.0.0:3478,[::]:3478", parse: endpoints)

    /// What clients are told.
    public static let advertise: ConfigurationKey<[String]> = .list(
        "advertise",
        "Addresses that clients are given, as they reach this server; found out from --listen unless given.",
        placeholder: "HOST:PORT,…")

    /// How many loops.
    public static let workers: ConfigurationKey<Int> = .number(
        "workers", "Threads that answer, each with its own socket on every address.", in: 1...64, default: 1)

    /// How much a network may ask.
    public static let rate: ConfigurationKey<Int> = .number(
        "stun-rate",
        "Requests a second answered to one network (/24, or /48 for IPv6), twice as many in a burst; its address may be forged.",
        in: 1...1_000_000, default: 1_000)

    /// All of them, in the order of the table.
    public static let all: [any AnyConfigurationKey] = [listen, advertise, AttachmentKeys.registry, workers, rate]

    @Sendable
    private static func endpoints(_ text: String) throws(ConfigurationProblem) -> [String] {
        let items = text.split(separator: ",").map { $0.filter { $0 != " " } }
        guard !items.isEmpty, items.allSatisfy({ Endpoint($0) != nil }) else {
            throw ConfigurationProblem("expected addresses such as 0.0.0.0:3478 or [::]:3478, with commas between them")
        }
        return items
    }
}

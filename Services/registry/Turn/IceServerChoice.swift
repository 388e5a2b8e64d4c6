/// Which turn servers a client is given. A pure function of loads and chance.
package enum IceServerChoice {
    /// Two: one more than is needed, for when the first dies during a call. Browsers ask every URL of every server before a call,
    /// and Firefox warns from five URLs on.
    package static let count = 2
    /// What an allocation costs where the server states no bound: a relayed call is some 200 packets a second, a core relays a
    /// few hundred thousand.
    static let allocationsPerCore = 2_000

    /// The servers of a client in `region`, best first: as rooms are placed, and after all others those that are full, since
    /// STUN works there still.
    package static func choose(
        from servers: [NodeShare], region: String, using random: inout some RandomNumberGenerator
    ) -> [String] {
        let chosen = PlacementPolicy.choose(from: servers, region: region, count: count, using: &random)
        let full = servers.filter { $0.isOpen && !chosen.contains($0.id) }
            .sorted { (PlacementPolicy.load(of: $0), $0.id) < (PlacementPolicy.load(of: $1), $1.id) }
        return Array((chosen + full.map(\.id)).prefix(count))
    }
}

internal import Addresses
public import Time

// What changes while it runs.

extension TURNServer {
    /// Replaces the configuration, as at SIGHUP. Allocations live on, with the keys they were made with; permissions and
    /// channels of peers that are now refused end at once. O(permissions and channels).
    ///
    /// The registry's exact list stays, which comes when it changes and no sooner. The addresses that `externalAddresses` gives to
    /// living relays stay as they were told.
    public mutating func update(_ configuration: TURNServerConfiguration, now: Instant) {
        configuration.check()
        if configuration.answersPerSecond != self.configuration.answersPerSecond {
            limiter = SourceLimiter(
                rate: configuration.answersPerSecond, burst: configuration.answersPerSecond * 2,
                seed: transactions.next())
        }
        let policy = self.configuration.policy
        self.configuration = configuration
        self.configuration.policy.setAllowedPeers(of: policy)
        adopt(configuration)
        enforcePolicy()
    }

    /// Replaces the registry's exact list of peers. What is no longer allowed ends at once. O(permissions and channels).
    public mutating func update(allowedPeers: [PeerRange], now: Instant) {
        configuration.policy.set(allowedPeers: allowedPeers)
        enforcePolicy()
    }

    mutating func adopt(_ configuration: TURNServerConfiguration) {
        isCapped = configuration.userBandwidth > 0 || configuration.totalBandwidth > 0
        isMapped = !configuration.externalAddresses.isEmpty
    }

    private mutating func enforcePolicy() {
        for allocation in table.allocations.rows.indices where table.allocations.rows[allocation].state == .live {
            var channel = table.allocations.rows[allocation].firstChannel
            while channel >= 0 {
                let row = table.channels.rows[Int(channel)]
                if refusal(of: row.peer) != nil { table.end(channel: Int(channel)) }
                channel = row.next
            }
            var index = table.allocations.rows[allocation].firstPermission
            while index >= 0 {
                let row = table.permissions.rows[Int(index)]
                switch verdict(on: row.address) {
                case .allowed: table.permissions.rows[Int(index)].isByPort = false
                case .byPort: table.permissions.rows[Int(index)].isByPort = true
                case .refused: table.permissions.rows[Int(index)].expires = .zero
                }
                index = row.next
            }
        }
    }
}

extension AllocationTable {
    /// Lets no more data through a channel.
    mutating func end(channel index: Int) {
        channels.rows[index].expires = .zero
        channels.rows[index].permitted = .zero
    }
}

package import Time

/// Which registry to try next, how long to wait for its answer, and how long to pause first. A machine without I/O.
///
/// The first try after a loss comes at once and is impatient: the nodes' grace is 500 ms. Where all registries fail, patience
/// and pauses grow, so that a slow machine gets through and a broken one is not hammered.
package struct AttachmentCycle: Sendable {
    /// One try.
    package struct Attempt: Hashable, Sendable {
        /// Index of the registry.
        package var registry: Int
        /// Sleep this long before it.
        package var pause: Interval
        /// Give it up if there is no answer for so long.
        package var patience: Interval

        package init(registry: Int, pause: Interval, patience: Interval) {
            self.registry = registry
            self.pause = pause
            self.patience = patience
        }
    }

    /// How long the first try may take: within the grace of 500 ms there is time for it and the start of another.
    package static let firstPatience = Interval.milliseconds(300)
    /// Longest wait for an answer: as long as a unary call of the bus.
    package static let longestPatience = Interval.seconds(5)
    /// Longest pause after a round of failures: a lease is 3 s, and a registry that is back should see its nodes within it.
    package static let longestPause = Interval.seconds(1)

    private let registries: Int
    private var next = 0
    private var failures = 0

    /// A cycle over so many registries, at least one.
    package init(registries: Int) {
        precondition(registries > 0, "a node needs the address of a registry")
        self.registries = registries
    }

    /// The try to make now. It counts as a failure until `attached` says otherwise.
    package mutating func attempt(using random: inout some RandomNumberGenerator) -> Attempt {
        let rounds = min(failures / registries, 16)
        let pause: Interval =
            if rounds == 0 || failures % registries != 0 {
                .milliseconds(0)
            } else {
                // Half of it is chance, so that nodes do not come back in step.
                .milliseconds(Int64.random(in: 50...100, using: &random) * min(10, Int64(1) << (rounds - 1)))
            }
        let attempt = Attempt(
            registry: next, pause: min(pause, Self.longestPause),
            patience: min(Self.longestPatience, .milliseconds(300 << Int64(rounds))))
        next = (next + 1) % registries
        failures += 1
        return attempt
    }

    /// The last try succeeded: when that stream ends, the next registry is tried at once.
    package mutating func attached() { failures = 0 }

    /// The next try is this registry's.
    package mutating func goTo(_ registry: Int) {
        precondition((0..<registries).contains(registry), "there is no such registry")
        next = registry
    }
}

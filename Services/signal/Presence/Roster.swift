/// Everybody who is signed in, as this signal knows it, and what to tell when it changes.
package struct Roster: Sendable {
    /// A difference between two moments.
    package struct Difference: Hashable, Sendable {
        package var joined: [String]
        package var left: [String]
        package var changed: [String]

        package init(joined: [String] = [], left: [String] = [], changed: [String] = []) {
            self.joined = joined
            self.left = left
            self.changed = changed
        }

        package var isEmpty: Bool { joined.isEmpty && left.isEmpty && changed.isEmpty }
    }

    package private(set) var people: [String: Person] = [:]
    package private(set) var revision: UInt64 = 0
    package private(set) var life = ""

    package init() {}

    /// Takes what the store said. Repeats and older answers change nothing.
    package mutating func apply(_ changes: PresenceChanges) -> Difference {
        guard changes.isFull || changes.revision > revision else { return Difference() }
        var difference = Difference()
        if changes.isFull {
            for person in people.keys where changes.people[person] == nil { difference.left.append(person) }
        }
        for (id, person) in changes.people {
            switch (people[id], person) {
            case (nil, .some): difference.joined.append(id)
            case (.some, nil): difference.left.append(id)
            case (.some(let old), .some(let new)) where old != new: difference.changed.append(id)
            default: break
            }
            people[id] = person
        }
        for id in difference.left { people[id] = nil }
        revision = changes.revision
        life = changes.life
        difference.joined.sort()
        difference.left.sort()
        difference.changed.sort()
        return difference
    }
}

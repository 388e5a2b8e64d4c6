internal import Bus

extension ConfigurationKey where Value == [String] {
    /// Bus addresses with commas between them. Where there is a default, one at least; `none` is the word that means no address.
    public static func busAddresses(
        _ name: String, _ help: String, placeholder: String, default value: [String] = [], none: String? = nil
    ) -> Self {
        Self(name, help, placeholder: placeholder, default: value, shown: value.joined(separator: ",")) {
            text throws(ConfigurationProblem) in
            if let none, text == none { return [] }
            do throws(BusAddressError) {
                let addresses = try BusAddress.list(parsing: text)
                guard !addresses.isEmpty || value.isEmpty else { throw BusAddressError.noPath(text) }
                return addresses.map { "\($0)" }
            } catch {
                throw ConfigurationProblem("expected bus addresses such as unix:/run/roost/registry-1.sock: \(error)")
            }
        }
    }
}

// ProtocGenRoost

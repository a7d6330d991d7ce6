# To be sourced: starts a PostgreSQL of our own, in a throw-away folder, on a
# socket only, until the script ends. $postgres is the folder of the socket.
# PostgreSQL refuses to run as root, so there it runs as the user that its
# package makes.
postgres="$(mktemp -d)"
postgres_bin="$(ls -d /usr/lib/postgresql/*/bin | sort -V | tail -n 1)"
postgres_as=()
if [ "$(id -u)" = 0 ]; then
  postgres_as=(runuser -u postgres --)
  chown postgres "$postgres"
fi
stop_postgres() {
  "${postgres_as[@]}" "$postgres_bin/pg_ctl" -D "$postgres/data" -m immediate -w stop >/dev/null 2>&1 || true
  rm -rf "$postgres"
}
trap stop_postgres EXIT
chmod 755 "$postgres"
# The C library's Czech sorts digits after letters: the tests' databases use it
# where the package locales can make it, and else ICU's.
mkdir "$postgres/locales"
if localedef -i cs_CZ -f UTF-8 "$postgres/locales/cs_CZ.UTF-8" >/dev/null 2>&1; then
  export TESSERA_TEST_LOCALE=cs_CZ.UTF-8
fi
"${postgres_as[@]}" "$postgres_bin/initdb" -D "$postgres/data" -U tessera --auth=trust --no-sync >/dev/null
"${postgres_as[@]}" env LOCPATH="$postgres/locales" "$postgres_bin/pg_ctl" -D "$postgres/data" -w -l "$postgres/log" \
  -o "-c listen_addresses='' -c unix_socket_directories='$postgres' -c fsync=off -c max_connections=300" \
  start >/dev/null

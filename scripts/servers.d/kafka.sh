# shellcheck shell=bash
# shellcheck disable=SC2154,SC2034  # $folder, $drop, $cache, $scripts, $command: scripts/servers' and server.sh's.
# Apache Kafka in KRaft mode, one node, run by the machine's Java from the jars that scripts/kafka/pom.xml names.

kafka_files=$scripts/kafka
kafka_version=$(sed -n 's:.*<kafka.version>\(.*\)</kafka.version>.*:\1:p' "$kafka_files/pom.xml")
# By content: another version or other checksums are another folder.
kafka_cache() { echo "$cache/kafka-$kafka_version-$(cat "$kafka_files/pom.xml" "$kafka_files/sha256sums" | sha256sum | cut -c1-12)"; }

kafka_packages() {
  command -v java >/dev/null || echo default-jre-headless
  [[ -d $(kafka_cache) ]] || command -v mvn >/dev/null || echo maven
}

# A folder is in the cache when it is whole and verified, never before.
kafka_install() {
  [[ ! -d $(kafka_cache) || ${UPDATE_CHECKSUMS:-} ]] || return 0
  local version scratch
  version=$(java --version | grep -oE '[0-9]+' | head -n 1)
  ((version >= 17)) || die "Kafka $kafka_version needs Java 17 or later; the PATH has Java $version"
  scratch=$(mktemp -d "$cache/kafka.XXXXXX")
  # shellcheck disable=SC2064
  trap "rm -rf '$scratch'" EXIT
  echo "downloading Kafka $kafka_version" >&2
  mvn --batch-mode --quiet -Dstyle.color=never --strict-checksums --file "$kafka_files/pom.xml" \
    dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$scratch/libs" >&2
  kafka_checksums "$scratch/libs" >"$scratch/sha256sums"
  [[ -z ${UPDATE_CHECKSUMS:-} ]] || cp "$scratch/sha256sums" "$kafka_files/sha256sums"
  diff "$kafka_files/sha256sums" "$scratch/sha256sums" >&2 ||
    die "what was downloaded for Kafka $kafka_version (>) is not what scripts/kafka/sha256sums lists (<)"
  [[ -d $(kafka_cache) ]] || mv --no-target-directory "$scratch" "$(kafka_cache)"
  rm -rf "$scratch"
  trap - EXIT
}

kafka_checksums() (cd "$1" && sha256sum -- * | LC_ALL=C sort --key=2)

kafka_prepare() {
  local dir=$folder/kafka libs own
  libs=$(kafka_cache)/libs
  [[ -d $libs ]] || die "Kafka $kafka_version is missing; scripts/servers install"
  # Root's cache may be closed to the user who runs the servers.
  if ! "${drop[@]}" test -r "$libs/kafka_2.13-$kafka_version.jar"; then
    own=$dir/$(basename "$(kafka_cache)")
    if [[ ! -d $own ]]; then
      rm -rf "$own.new"
      cp -r "$libs" "$own.new"
      mv "$own.new" "$own"
    fi
    libs=$own
  fi
  cat "$kafka_files/server.properties" - >"$dir/server.properties" <<PROPERTIES
listeners=PLAINTEXT://127.0.0.1:$1,CONTROLLER://127.0.0.1:$(($1 + 1))
advertised.listeners=PLAINTEXT://127.0.0.1:$1
controller.quorum.voters=1@127.0.0.1:$(($1 + 1))
log.dirs=$dir/data
PROPERTIES
  cp "$kafka_files/log4j2.properties" "$dir/"
  [[ -e $dir/formatted ]] || kafka_format "$dir" "$libs"
  # The quick compiler alone starts sooner and takes half the processor's time, of which tests have little. KAFKA_OPTS,
  # Kafka's own variable, comes after: a measurement of throughput says KAFKA_OPTS=-XX:TieredStopAtLevel=4.
  # shellcheck disable=SC2206  # options, one a word
  command=(java -Xmx512m -XX:TieredStopAtLevel=1 -XX:-UsePerfData "-Djava.io.tmpdir=$dir/tmp"
    "-Dlog4j2.configurationFile=$dir/log4j2.properties" ${KAFKA_OPTS:-}
    -cp "$libs/*" kafka.Kafka "$dir/server.properties")
}

kafka_format() {
  local dir=$1 libs=$2
  rm -rf "$dir/data"
  mkdir -p "$dir/tmp"
  # 16 bytes in base64, as Kafka wants it.
  head -c 16 /dev/urandom | base64 | tr '+/' 'ab' | cut -c1-22 >"$dir/cluster"
  give "$dir"
  "${drop[@]}" java -XX:TieredStopAtLevel=1 -XX:-UsePerfData -cp "$libs/*" kafka.tools.StorageTool format \
    --cluster-id "$(cat "$dir/cluster")" --config "$dir/server.properties" >>"$dir/log" 2>&1
  touch "$dir/formatted"
}

# A metadata request, version 4, for no topic. The answer names the brokers that take requests and the cluster: ours.
kafka_ready() (
  exec 3<>"/dev/tcp/127.0.0.1/$1" || exit 1
  printf '\0\0\0\x0f\0\3\0\4\0\0\0\1\xff\xff\0\0\0\0\0' >&3
  answer_bytes=$((0x$(timeout 5 head -c 4 <&3 | od -An -tx1 | tr -d ' ')))
  timeout 5 head -c "$answer_bytes" <&3 | tr -d '\0' | grep -a '127\.0\.0\.1' | grep -aqF "$(cat "$folder/kafka/cluster")"
)

kafka_stop_signal() { echo TERM; }

kafka_env() { echo "LEADSCORE_TEST_KAFKA=127.0.0.1:$1"; }

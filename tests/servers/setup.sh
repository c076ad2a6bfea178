#!/bin/sh
# Makes this machine able to run the servers that tests of checkpoint stores need, in target/servers. Run it as often as you like.
#
#   tests/servers/setup.sh
#
# S3 is moto, and what reads Parquet is DuckDB; both are from PyPI and need python3. HDFS is Hadoop's minicluster, from Maven Central, and needs a JDK and Maven. Where something
# is missing, this says so, and the tests skip themselves. With FLOWGATE_TEST_SERVERS=required, that is an error instead.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
servers=${CARGO_TARGET_DIR:-$here/../../target}/servers
mkdir -p "$servers"
servers=$(cd "$servers" && pwd)

have() { command -v "$1" >/dev/null 2>&1; }

lacks() {
    echo "servers: $*" >&2
    if [ "${FLOWGATE_TEST_SERVERS:-}" = required ]; then exit 1; fi
}

# python: a virtual environment, whole when it has the file `ready` of these requirements.
python() {
    if cmp -s "$here/requirements.txt" "$servers/python/ready"; then return 0; fi
    have python3 || { lacks "python3 is missing: the tests of S3 and of Parquet are skipped"; return 0; }
    echo "servers: installing moto, which stands for S3, and DuckDB"
    rm -rf "$servers/python"
    if python3 -m venv "$servers/python" \
        && "$servers/python/bin/pip" install -q --disable-pip-version-check -r "$here/requirements.txt"; then
        cp "$here/requirements.txt" "$servers/python/ready"
    else
        lacks "moto and DuckDB cannot be installed from PyPI: the tests of S3 and of Parquet are skipped"
    fi
}

# hdfs: a class path, whole when it has the file `ready` of this program.
hdfs() {
    if cmp -s "$here/hdfs/MiniHdfs.java" "$servers/hdfs/ready" && cmp -s "$here/hdfs/pom.xml" "$servers/hdfs/pom.xml"; then
        return 0
    fi
    { have java && have javac && have mvn; } || { lacks "a JDK or Maven is missing: the tests of HDFS are skipped"; return 0; }
    echo "servers: fetching Hadoop's minicluster, which stands for HDFS"
    rm -rf "$servers/hdfs"
    mkdir -p "$servers/hdfs"
    if mvn -B -q -ntp -Dstyle.color=never -f "$here/hdfs/pom.xml" dependency:build-classpath -DincludeScope=runtime \
        -DbuildDirectory="$servers/hdfs/maven" -Dmdep.outputFile="$servers/hdfs/classpath" \
        && javac -cp "$(cat "$servers/hdfs/classpath")" -d "$servers/hdfs/classes" "$here/hdfs/MiniHdfs.java"; then
        cp "$here/hdfs/pom.xml" "$servers/hdfs/pom.xml"
        cp "$here/hdfs/MiniHdfs.java" "$servers/hdfs/ready"
    else
        lacks "Hadoop's minicluster cannot be fetched from Maven Central: the tests of HDFS are skipped"
    fi
}

python
hdfs

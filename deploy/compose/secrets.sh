#!/usr/bin/env bash
# Makes deploy/compose/secrets for `mariadb` or `postgres`: one file for each secret. Never overwrites.
#
# Containers see the files with the owners they have here. As root this gives each file to the user that reads it, mode
# 0600; otherwise the files are readable for all and only the mode of the directory keeps them from other users.
set -euo pipefail
database="${1:-}"
case "$database" in
    mariadb) scheme=mysql port=3306 ;;
    postgres) scheme=postgres port=5432 ;;
    *) echo "usage: secrets.sh mariadb|postgres" >&2; exit 2 ;;
esac
dir="$(dirname "$0")/secrets"
if [ -e "$dir" ]; then
    echo "$dir is there already; it is left as it is" >&2
    exit 1
fi
umask 077
mkdir "$dir"
cd "$dir"

random() { head -c 24 /dev/urandom | od -An -v -tx1 | tr -d ' \n'; }
services_user=65532 servers_user=999
put() { # file, owner; the content comes in
    cat > "$1"
    if [ "$(id -u)" = 0 ]; then chown "$2:$2" "$1"; else chmod 0644 "$1"; fi
}

db_password="$(random)" mq_password="$(random)"
random | put bootstrap $services_user
head -c 32 /dev/urandom | od -An -v -tx1 | tr -d ' \n' | put master_key $services_user
random | put admin_api_key $services_user
echo "amqp://tripline:$mq_password@rabbitmq:5672/%2f" | put rabbitmq_uri $services_user
for service in auth registry monitor invoker; do
    echo "$scheme://tripline:$db_password@database:$port/tripline_$service" | put "${service}_db_url" $services_user
done
printf 'default_user = tripline\ndefault_pass = %s\n' "$mq_password" | put rabbitmq_conf $servers_user
random | put minio_password 0
random | put database_password $servers_user
{
    if [ "$database" = mariadb ]; then
        echo "CREATE USER tripline@'%' IDENTIFIED BY '$db_password';"
    else
        echo "CREATE USER tripline PASSWORD '$db_password';"
    fi
    for service in auth registry monitor invoker; do
        if [ "$database" = mariadb ]; then
            echo "CREATE DATABASE tripline_$service CHARACTER SET utf8mb4;"
            echo "GRANT ALL ON tripline_$service.* TO tripline@'%';"
        else
            echo "CREATE DATABASE tripline_$service OWNER tripline;"
        fi
    done
} | put database_init $servers_user
echo "made $dir; the administrator's API key is in $dir/admin_api_key"

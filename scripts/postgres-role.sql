-- Run once by the image of PostgreSQL in compose.yaml: Sheaf's user owns its database, and is no superuser.
\set password `cat /run/secrets/postgres_password`
CREATE ROLE sheaf LOGIN PASSWORD :'password';
ALTER DATABASE sheaf OWNER TO sheaf;

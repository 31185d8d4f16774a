-- The database of the chat and its three roles, for PostgreSQL 15 or newer. Run it once as a
-- superuser, then give each role a password:
--
--   psql -U postgres -f docs/deployment/postgresql.sql
--   psql -U postgres -c '\password chat_owner' -c '\password chat_system' -c '\password chat_app'
--
-- Everything else (tables, policies, the rights of each role) is made by `chat-app migrate`.

-- DATABASE_ADMIN_URL: owns the tables and migrates them.
CREATE ROLE chat_owner LOGIN NOSUPERUSER NOCREATEROLE NOBYPASSRLS;
-- DATABASE_SYSTEM_URL: sign-in, jobs and the log of answers.
CREATE ROLE chat_system LOGIN NOSUPERUSER NOCREATEROLE NOBYPASSRLS;
-- DATABASE_URL: each user's chats; row-level security shows it one user at a time.
CREATE ROLE chat_app LOGIN NOSUPERUSER NOCREATEROLE NOBYPASSRLS;

CREATE DATABASE chat OWNER chat_owner TEMPLATE template0 ENCODING 'UTF8';
